// Shows what is behind a dot on hover and on keyboard focus. Names only ever become text nodes.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("detail");
  const reach = 28; // pixels from the pointer to a dot
  const most = 16; // groups shown before "and n more"
  const whole = new Intl.NumberFormat("en");
  let current = null;

  const element = (tag, ...inside) => {
    const made = document.createElement(tag);
    made.append(...inside);
    return made;
  };
  const percent = (share) => (100 * share).toFixed(2) + " %";

  const pairs = (one, jack) => {
    const list = document.createElement("dl");
    const add = (name, text) => list.append(element("dt", name), element("dd", text));
    for (const [cost, label] of [["parameters", "parameters"], ["bytes", "bytes"], ["flops", "FLOPs"]]) {
      const part = one === jack || !jack[cost] ? "" : ` (${Math.round((100 * one[cost]) / jack[cost])} %)`;
      add(label, whole.format(one[cost]) + part);
    }
    if (typeof one.search_error === "number") add("search error", percent(one.search_error));
    add("validation error", percent(one.validation_error));
    add("test error", percent(one.test_error));
    if (typeof one.epoch === "number") {
      add("validation error before recovery", percent(one.validation_error_before));
      add("test error before recovery", percent(one.test_error_before));
      add("best epoch", one.epoch);
    }
    return list;
  };

  const groups = (kept) => {
    const list = document.createElement("ul");
    data.groups.slice(0, most).forEach((group, index) => {
      const fill = document.createElement("b");
      fill.style.width = (100 * kept[index]) / Math.max(group.size, 1) + "%";
      list.append(element("li", element("span", group.name), element("i", fill),
        element("span", `${kept[index]} / ${group.size}`)));
    });
    const more = data.groups.length - most;
    if (more > 0) list.append(element("li", element("span", `and ${more} more`)));
    return list;
  };

  const fill = (dot) => {
    const [index, kind, number] = dot.dataset.dot.split(".");
    const task = data.tasks[index];
    const one = kind === "jack" ? task.jack : task[kind][number];
    const names = { jack: "the Jack", members: "member", before: "before recovery, member", uniform: "uniform baseline" };
    const place = kind === "jack" ? "" : ` ${+number + 1} of ${task[kind].length}`;
    box.replaceChildren(element("h4", `${task.name}: ${names[kind]}${place}`));
    const chosen = Object.keys(task.chosen).filter((name) => task.chosen[name] === +number);
    if (kind === "members" && chosen.length) box.append(element("p", "chosen for " + chosen.join(", ")));
    box.append(pairs(one, task.jack));
    if (one.kept && data.groups.length) box.append(groups(one.kept));
  };

  const show = (dot) => {
    if (dot === current) return;
    hide();
    current = dot;
    dot.classList.add("on");
    fill(dot);
    box.hidden = false;
    const at = dot.getBoundingClientRect();
    const wide = box.offsetWidth, high = box.offsetHeight;
    const right = at.right + 14;
    const left = right + wide < innerWidth - 8 ? right : Math.max(8, at.left - 14 - wide);
    const top = Math.min(Math.max(8, at.top - high / 3), Math.max(8, innerHeight - high - 8));
    box.style.left = left + "px";
    box.style.top = top + "px";
  };
  const hide = () => {
    if (current) current.classList.remove("on");
    current = null;
    box.hidden = true;
  };

  const nearest = (dots, x, y) => {
    let found = null, least = reach;
    for (const dot of dots) {
      const at = dot.getBoundingClientRect();
      const far = Math.hypot(x - at.left - at.width / 2, y - at.top - at.height / 2);
      if (far < least) [found, least] = [dot, far];
    }
    return found;
  };

  for (const plot of document.querySelectorAll(".frame .plot")) {
    const dots = [...plot.querySelectorAll(".dot")];
    for (const dot of dots) {
      const title = dot.querySelector("title"); // else the browser shows a second box
      dot.setAttribute("role", "img");
      dot.setAttribute("aria-label", title.textContent);
      dot.setAttribute("tabindex", "-1");
      title.remove();
    }
    // One stop of the tab key for each chart; the arrow keys go from dot to dot by size.
    const order = dots.filter((dot) => dot.dataset.dot.includes(".members.")).concat(
      dots.filter((dot) => !dot.dataset.dot.includes(".members.")));
    if (order.length) order[0].setAttribute("tabindex", "0");
    const follow = (event) => {
      const dot = nearest(dots, event.clientX, event.clientY);
      if (dot) show(dot);
      else hide();
    };
    plot.addEventListener("pointermove", follow);
    plot.addEventListener("pointerdown", follow);
    plot.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") hide();
    });
    plot.addEventListener("focusin", (event) => show(event.target));
    plot.addEventListener("focusout", hide);
    plot.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return hide();
      const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      const next = order[order.indexOf(event.target) + way];
      if (!next) return;
      event.target.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  }
  addEventListener("scroll", hide, { passive: true });
})();
