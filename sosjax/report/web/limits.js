// The controls above the plots: environments as movable limits, and what the axes are.
"use strict";
{
  const { data, element, short, exact } = sosjax;
  const steps = 400; // of a slider; the last is no limit

  const sameLimits = (one, other) =>
    Object.keys({ ...one, ...other }).every((key) => one[key] === other[key]);

  const presets = (act) => {
    const make = (name, limits) => {
      const inside = Object.entries(limits).map(([key, limit]) =>
        `${short(limit, key)} ${key === "bytes" ? "" : sosjax.measures.get(key).label}`.trim());
      const button = element("button", { type: "button" }, element("span", { className: "name" }, name),
        element("small", {}, inside.join(", ") || "the lowest error of all"));
      button.onclick = () => act.limits({ ...limits });
      return { button, limits };
    };
    return [make("No limits", {}), ...data.environments.map((one) => make(one.name, one.limits))];
  };

  const slider = ({ key, label }, index, act) => {
    const unit = sosjax.unitOf(key) && `, ${sosjax.unitOf(key)}`;
    const [low, high] = d3.extent(data.tasks.flatMap((task) => task.members), (one) => one[key]);
    const scale = d3.scaleLog([Math.max(low, 1e-9) * 0.9, Math.max(high, 2e-9)], [0, steps - 1]).clamp(true);
    const range = element("input", { type: "range", min: 0, max: steps, step: 1, id: `limit-${index}` });
    const field = element("input", {
      type: "number", min: 0, step: "any", placeholder: "none", "aria-label": `exact limit of ${label}${unit}`,
    });
    range.oninput = () =>
      act.limit(key, +range.value === steps ? undefined : +scale.invert(+range.value).toPrecision(3));
    field.onchange = () => act.limit(key, field.value === "" || !(+field.value > 0) ? undefined : +field.value);
    const show = (limit) => {
      range.value = limit === undefined ? steps : Math.round(scale(limit));
      range.setAttribute("aria-valuetext", limit === undefined ? "no limit" : `up to ${exact(limit, key)} ${label}`);
      if (document.activeElement !== field) field.value = limit === undefined ? "" : limit;
    };
    const node = element("div", { className: "slider" },
      element("label", { htmlFor: range.id }, label + unit), field, range);
    return { key, node, show };
  };

  const menu = (label, known, value, set) => {
    const groups = [["costs", data.costs], ["errors", data.errors]].map(([name, list]) =>
      element("optgroup", { label: name }, ...list.map((one) =>
        element("option", { value: one.key, selected: one.key === value }, one.label))));
    const select = element("select", {}, ...groups);
    select.onchange = () => set(select.value);
    return element("label", {}, `${label} `, select);
  };

  const marks = [
    ["member", "in", d3.symbolCircle, 64], ["chosen under the limits", "in chosen", d3.symbolCircle, 120],
    ["beyond a limit", "out", d3.symbolCircle, 64], ["before recovery", "before", d3.symbolCircle, 24],
    ["uniform baseline", "uniform", d3.symbolSquare, 42], ["the Jack", "jack", d3.symbolDiamond, 100],
  ];
  const legend = () => {
    const used = marks.filter(([, kind]) =>
      !["before", "uniform"].includes(kind) || data.tasks.some((task) => task[kind].length));
    return element("ul", { className: "legend" }, ...used.map(([text, kind, shape, size]) => {
      const svg = d3.create("svg").attr("width", 18).attr("height", 18).attr("aria-hidden", "true");
      svg.append("path").attr("class", kind).attr("transform", "translate(9 9)").attr("d", d3.symbol(shape, size)());
      return element("li", {}, svg.node(), text);
    }));
  };

  sosjax.controls = (state, act) => {
    const buttons = presets(act);
    const sliders = data.costs.map((cost, index) => slider(cost, index, act));
    const fit = element("p", { className: "fit", role: "status" });
    const node = element("div", { className: "controls" },
      element("div", { className: "presets", role: "group", "aria-label": "Environments" }, ...buttons.map((one) => one.button)),
      element("div", { className: "sliders", role: "group", "aria-label": "Limits" }, ...sliders.map((one) => one.node)),
      element("div", { className: "axes", role: "group", "aria-label": "Axes" },
        menu("Across", data.costs, state.x, (key) => act.axis("x", key)),
        menu("Up", data.errors, state.y, (key) => act.axis("y", key)), fit),
      legend());
    const show = () => {
      for (const { button, limits } of buttons) button.setAttribute("aria-pressed", sameLimits(limits, state.limits));
      for (const one of sliders) one.show(state.limits[one.key]);
      const fits = data.tasks.filter((task) => sosjax.choose(task.members, state.limits)).length;
      fit.textContent = `${fits} of ${data.tasks.length} tasks have a member within the limits`;
    };
    return { node, show };
  };
}
