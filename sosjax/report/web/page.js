// The state of the page, and what changes it. Names only ever become text nodes.
"use strict";
{
  const { data, element } = sosjax;
  const state = { x: data.first, y: "test_error", limits: {}, picked: null, other: null, comparing: false };

  const act = {
    limit(key, value) {
      const { [key]: _, ...rest } = state.limits;
      act.limits(value === undefined ? rest : { ...rest, [key]: value });
    },
    limits(limits) {
      state.limits = limits;
      mark();
    },
    axis(way, key) {
      state[way] = key;
      draw();
    },
    pick(task, number, beside) {
      const one = { task, number };
      const same = state.picked?.task === task && state.picked.number === number;
      if (state.picked && (beside || state.comparing)) {
        Object.assign(state, { other: same ? null : one, comparing: false });
      } else Object.assign(state, { picked: one, other: null, comparing: false });
      mark();
      if (same) member.querySelector("button").focus();
      else fronts[task].node.scrollIntoView({ block: "nearest" });
    },
    compare() {
      Object.assign(state, { comparing: !state.other && !state.comparing, other: null });
      mark();
      member.querySelector("button")?.focus();
    },
    close() {
      const { picked } = state;
      Object.assign(state, { picked: null, other: null, comparing: false });
      mark();
      fronts[picked.task].dots.filter((one) => one.number === picked.number).node()?.focus();
    },
  };

  const fronts = data.tasks.map((task, index) => new sosjax.Front(task, index, act));
  const controls = sosjax.controls(state, act);
  const figures = element("div", { className: "fronts" }, ...fronts.map((one) => one.node));
  const member = element("aside", { id: "member", "aria-label": "Picked members" });
  document.getElementById("explorer")?.replaceChildren(...(data.tasks.length
    ? [controls.node, element("div", { className: "beside" }, figures, member)]
    : ["There is no set to show."]));

  const mark = () => {
    controls.show();
    fronts.forEach((one) => one.mark(state));
    sosjax.showMember(member, state, act);
  };
  const draw = () => {
    const values = sosjax.valuesOf(state.x);
    fronts.forEach((one) => one.draw(state, values));
    controls.show();
  };

  draw();
  mark();
  sosjax.drawVolumes();
  let width = figures.clientWidth;
  new ResizeObserver(() => {
    if (figures.clientWidth === width) return;
    width = figures.clientWidth;
    draw();
    sosjax.drawVolumes();
  }).observe(figures);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.picked) act.close();
  });
  sosjax.state = state;
}
