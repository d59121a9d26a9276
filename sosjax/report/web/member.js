// What is known of a member that was picked, and of another beside it.
"use strict";
{
  const { data, exact, short, element, id } = sosjax;

  // What a value is beside the Jack's: the share of a cost; an error where no column has the Jack.
  const beside = (one, key, jack, alone) => {
    if (jack[key] === undefined) return null;
    if (sosjax.isError(key)) return alone ? null : `Jack ${exact(jack[key], key)}`;
    const share = (100 * one[key]) / jack[key];
    return jack[key] ? `${share.toFixed(share < 1 ? 1 : 0)} % of Jack` : null;
  };
  const cell = (value, key, small) =>
    element("td", {}, value === undefined ? "-" : exact(value, key), small && element("small", {}, small));

  const numbers = (shown) => {
    const alone = new Set(shown.map(({ task }) => task)).size === 1;
    const jack = alone ? shown[0].task.jack : null;
    const head = element("tr", {}, element("td"),
      ...shown.map(({ task, member, mark }) =>
        element("th", { scope: "col" }, element("i", { className: `mark ${mark}` }), id(task, member))),
      alone ? element("th", { scope: "col" }, "the Jack") : null);
    const rows = [...data.errors, ...data.costs].map(({ key, label }) =>
      element("tr", {}, element("th", { scope: "row" }, label),
        ...shown.map(({ task, member }) =>
          cell(member[key], key, member[key] === undefined ? null : beside(member, key, task.jack, alone))),
        alone ? cell(jack[key], key, null) : null));
    if (data.recovered) {
      rows.push(element("tr", {}, element("th", { scope: "row" }, "epoch of recovery"),
        ...shown.map(({ member }) => element("td", {}, String(member.epoch ?? "-"))),
        alone ? element("td", {}, "-") : null));
    }
    return element("div", { className: "scroll" },
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  };

  // One row for each group: a bar for each member, and the numbers; a block is there or left out.
  const kept = (shown) => {
    const rows = data.groups.map((group, index) => {
      const counts = shown.map(({ member }) => member.kept[index]);
      const block = group.size === 1 && group.name.startsWith("block ");
      const text = (count) => (count === 0 ? "left out" : block ? "kept" : `${count} / ${group.size}`);
      const bars = counts.map((count, place) => {
        const fill = element("b");
        fill.style.width = `${(100 * count) / Math.max(group.size, 1)}%`;
        return element("i", { className: shown[place].mark }, fill);
      });
      return element("li", { className: counts.every((count) => count === 0) ? "gone" : "" },
        element("span", { title: group.name }, group.name),
        element("span", { className: "bars", "aria-hidden": "true" }, ...bars),
        element("span", { className: "counts" }, ...counts.map((count) => element("span", {}, text(count)))));
    });
    return element("ul", { className: "kept" }, ...rows);
  };

  const copied = async (text, code) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(code); // where a page from a file may not write there
      document.execCommand("copy");
    }
  };
  const command = ({ task, member }) => {
    if (!member.command) {
      return element("p", { className: "note" }, "Another member has the same costs, so no option of ",
        element("code", {}, "sosjax export"), ` names ${id(task, member)} alone.`);
    }
    const words = member.command.split(/(\s+)/); // an option is not to break after its hyphens
    const code = element("code", {}, ...words.map((one, place) => (place % 2 ? one : element("span", {}, one))));
    const button = element("button", { type: "button" }, "Copy");
    button.onclick = async () => {
      await copied(member.command, code);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    };
    return element("div", { className: "command" }, element("pre", {}, code), button);
  };
  const certificate = ({ task, member }) => {
    if (member.certificate.length) {
      return element("ul", { className: "note" }, ...member.certificate.map((line) => element("li", {}, line)));
    }
    return element("p", { className: "note" }, `None of ${id(task, member)} in the run's folder: `,
      element("code", {}, "sosjax select"), " and every export make one.");
  };
  const chosenFor = ({ task, member }) => {
    const names = Object.keys(task.chosen).filter((name) => task.chosen[name] === member.number);
    if (!data.environments.length) return "";
    return names.length ? `Chosen for ${names.join(", ")}.` : "Chosen for no environment of the run.";
  };

  sosjax.showMember = (box, state, act) => {
    const find = (one, mark) => ({ task: data.tasks[one.task], member: data.tasks[one.task].members[one.number], mark });
    const shown = [];
    if (state.picked) shown.push(find(state.picked, "picked"));
    if (state.other) shown.push(find(state.other, "other"));
    box.classList.toggle("open", shown.length > 0);
    box.classList.toggle("waiting", state.comparing); // out of the way of the plots where it covers them
    if (!shown.length) {
      box.replaceChildren(element("p", { className: "hint" },
        "Pick a member: click a dot, or tab to a plot, go with the arrow keys and press Enter. " +
        "With Shift it is set beside the one picked before; Enter once more goes to its numbers."));
      return;
    }
    const compare = element("button", { type: "button", "aria-pressed": String(state.comparing) },
      state.other ? "Stop comparing" : state.comparing ? "Now pick another" : "Compare");
    compare.onclick = act.compare;
    const close = element("button", { type: "button" }, "Close");
    close.onclick = act.close;
    const several = shown.length > 1;
    box.replaceChildren(
      element("div", { className: several ? "head several" : "head" },
        element("h3", {}, shown.map(({ task, member }) => id(task, member)).join(" and ")), compare, close),
      ...(several ? [] : [element("p", { className: "note" }, chosenFor(shown[0]))]),
      numbers(shown),
      element("h4", {}, "Kept units of each group"), kept(shown),
      ...shown.flatMap((one) => [
        element("h4", {}, several ? `Export ${id(one.task, one.member)}` : "Export"), command(one),
        element("h4", {}, several ? `Certificate of ${id(one.task, one.member)}` : "Certificate"), certificate(one),
      ]));
  };
}
