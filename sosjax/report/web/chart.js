// Plots: the frame that all share, the front of a task, and the hypervolume over generations.
"use strict";
{
  const { data, measures, isError, misses, choose, nearest, staircase } = sosjax;
  const { short, exact, element, id } = sosjax;
  const margin = { top: 26, right: 18, bottom: 40, left: 54 };
  const reach = 26; // pixels from the pointer to a dot

  const scaleOf = (key, values, range) => {
    const known = values.filter((value) => value !== undefined);
    if (isError(key)) {
      const [low, high] = d3.extent(known);
      const room = Math.max(0.06 * (high - low), 0.002);
      return d3.scaleLinear([Math.max(0, low - room), high + room], range).nice(5);
    }
    const [low, high] = d3.extent(known.filter((value) => value > 0));
    const room = Math.max((high / low) ** 0.06, 1.05);
    return d3.scaleLog([low / room, high * room], range).clamp(true); // a cost may be 0
  };
  const format = (key, scale) => {
    if (!isError(key)) return (value) => short(value, key);
    const step = d3.tickStep(...scale.domain(), 5);
    return (value) => (100 * value).toFixed(step >= 0.01 ? 0 : step >= 0.001 ? 1 : 2) + " %";
  };
  const labels = (key, scale, count) =>
    isError(key) ? format(key, scale) : scale.tickFormat(count, format(key, scale));

  // Draw axes with their grid into an <svg>, and return where the plot is.
  const frame = (svg, box, x, y, texts) => {
    const across = Math.max(2, Math.floor((box.right - box.left) / 90));
    svg.select(".x.axis").attr("transform", `translate(0 ${box.bottom})`)
      .call(d3.axisBottom(x).ticks(across).tickFormat(texts.x(across)).tickSizeOuter(0));
    svg.select(".y.axis").attr("transform", `translate(${box.left} 0)`)
      .call(d3.axisLeft(y).ticks(texts.rows).tickFormat(texts.y(texts.rows)).tickSize(box.left - box.right))
      .call((axis) => axis.select(".domain").remove())
      .selectAll(".tick").filter((_, place, nodes) => !nodes[place].textContent).remove();
  };

  // Places in the data that a plot shows beside members, in the order of drawing.
  const others = [["uniform", "uniform baseline"], ["before", "before recovery"]];

  sosjax.Front = class {
    constructor(task, index, act) {
      Object.assign(this, { task, index, act });
      this.title = element("a", { href: `#task-${index}` }, task.name);
      this.axis = element("span", { className: "axis-name" });
      this.choice = element("p", { className: "choice" });
      this.node = element("figure", { className: "front" },
        element("figcaption", {}, element("h3", {}, this.title), this.axis), this.choice);
      this.svg = d3.create("svg").attr("role", "group");
      this.node.insertBefore(this.svg.node(), this.choice);
      for (const name of ["zone", "x axis", "y axis", "jack-line", "steps", "points", "dots", "names", "grip"]) {
        this.svg.append("g").attr("class", name);
      }
      this.svg.on("click", (event) => {
        const number = this.near(d3.pointer(event));
        if (number !== null) act.pick(index, number, event.shiftKey);
      });
      this.svg.on("keydown", (event) => this.key(event));
    }

    near([left, top]) {
      const far = (one) => Math.hypot(this.at(one)[0] - left, this.at(one)[1] - top);
      const one = d3.least(this.task.members, far);
      return one && far(one) < reach ? one.number : null;
    }

    at(one) {
      return [this.x(one[this.keys.x]), this.y(one[this.keys.y])];
    }

    key(event) {
      const order = this.order();
      const place = order.findIndex((one) => one.number === +event.target.dataset.number);
      const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Enter" || event.key === " ") {
        this.act.pick(this.index, order[place].number, event.shiftKey);
      } else if (way && order[place + way]) {
        this.focus = order[place + way].number;
        this.dots.attr("tabindex", (one) => (one.number === this.focus ? 0 : -1));
        this.dots.filter((one) => one.number === this.focus).node().focus();
      } else if (!way) return;
      event.preventDefault();
    }

    order() {
      return d3.sort(this.task.members, (one) => one[this.keys.x], (one) => one.number);
    }

    draw(state, xs) {
      const { task } = this;
      this.keys = { x: state.x, y: state.y };
      const width = this.node.clientWidth || 340;
      const height = 290;
      const box = { left: margin.left, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
      this.box = box;
      const shown = [task.jack, ...task.members, ...task.uniform, ...task.before];
      this.x = scaleOf(state.x, xs, [box.left, box.right]);
      this.y = scaleOf(state.y, shown.map((one) => one[state.y]), [box.bottom, box.top]);
      this.svg.attr("viewBox", `0 0 ${width} ${height}`).attr("width", width).attr("height", height)
        .attr("aria-label", `${task.name}: ${measures.get(state.y).label} against ${measures.get(state.x).label}`);
      this.axis.textContent = measures.get(state.y).label;
      frame(this.svg, box, this.x, this.y, {
        x: (count) => labels(state.x, this.x, count),
        y: (count) => labels(state.y, this.y, count),
        rows: 5,
      });
      const name = measures.get(state.x).label + (isError(state.x) ? "" : ", log scale");
      this.svg.select(".x.axis").selectAll(".axis-label").data([name]).join("text")
        .attr("class", "axis-label").attr("x", box.right).attr("y", 34).text(name);
      this.drawBackground();
      this.drawMembers(state);
      this.mark(state);
    }

    drawBackground() {
      const { task, keys, box } = this;
      const jack = isError(keys.y) && task.jack[keys.y] !== undefined ? [this.y(task.jack[keys.y])] : [];
      this.svg.select(".jack-line").selectAll("line").data(jack).join("line")
        .attr("x1", box.left).attr("x2", box.right).attr("y1", (at) => at).attr("y2", (at) => at);
      const lines = isError(keys.x) || !isError(keys.y) ? []
        : ["uniform", "before", "members"].map((kind) => [kind, staircase(task[kind], keys.x)]);
      this.svg.select(".steps").selectAll("path").data(lines).join("path")
        .attr("class", ([kind]) => kind)
        .attr("d", ([, steps]) => {
          const places = steps.filter((one) => one[keys.y] !== undefined).map((one) => this.at(one));
          if (places.length) places.push([box.right, places.at(-1)[1]]);
          return d3.line().curve(d3.curveStepAfter)(places);
        });
      const points = others.flatMap(([kind, words]) => task[kind].map((one) => ({ kind, words, one })))
        .concat([{ kind: "jack", words: "the Jack", one: task.jack }])
        .filter(({ one }) => one[keys.x] !== undefined && one[keys.y] !== undefined);
      const symbols = { uniform: [d3.symbolSquare, 42], before: [d3.symbolCircle, 22], jack: [d3.symbolDiamond, 110] };
      this.svg.select(".points").selectAll("path").data(points).join("path")
        .attr("class", ({ kind }) => kind)
        .attr("transform", ({ one }) => `translate(${this.at(one)})`)
        .attr("d", ({ kind }) => d3.symbol(...symbols[kind])())
        .selectAll("title").data((one) => [one]).join("title")
        .text(({ words, one }) => `${words}: ${this.told(one)}`);
    }

    told(one) {
      return [this.keys.y, this.keys.x].map((key) => `${exact(one[key], key)} ${measures.get(key).label}`).join(", ");
    }

    drawMembers() {
      const { task, keys } = this;
      const shown = task.members.filter((one) => one[keys.x] !== undefined && one[keys.y] !== undefined);
      if (!shown.some((one) => one.number === this.focus)) this.focus = this.order()[0]?.number;
      this.dots = this.svg.select(".dots").selectAll("circle").data(shown, (one) => one.number).join("circle")
        .attr("role", "button").attr("data-number", (one) => one.number)
        .attr("tabindex", (one) => (one.number === this.focus ? 0 : -1))
        .attr("cx", (one) => this.at(one)[0]).attr("cy", (one) => this.at(one)[1]);
      this.dots.selectAll("title").data((one) => [one]).join("title")
        .text((one) => `${id(task, one)}: ${this.told(one)}`);
    }

    // Show what depends on limits and on picked members alone.
    mark(state) {
      const { task, index } = this;
      const chosen = choose(task.members, state.limits);
      const is = (which, one) => which !== null && which.task === index && which.number === one.number;
      const words = (one) => (one === chosen ? ", chosen" : misses(one, state.limits).length ? ", beyond the limits" : "");
      const kind = (one) => [misses(one, state.limits).length ? "out" : "in", one === chosen && "chosen",
        is(state.picked, one) && "picked", is(state.other, one) && "other"].filter(Boolean).join(" ");
      this.dots
        .attr("class", kind).attr("r", 4.5)
        .attr("aria-pressed", (one) => is(state.picked, one) || is(state.other, one))
        .attr("aria-label", (one) => `${id(task, one)}: ${this.told(one)}${words(one)}`);
      this.markNames(state, chosen, kind);
      this.markLimit(state);
      this.say(state, chosen);
    }

    // Drawn again above all dots, which may hide them; moving a dot itself would take its focus.
    markNames(state, chosen, kind) {
      const { task, box } = this;
      const named = [chosen, ...[state.picked, state.other].map((one) =>
        (one && one.task === this.index ? task.members[one.number] : null))];
      const shown = [...new Set(named)].filter((one) => one && one[this.keys.y] !== undefined && one[this.keys.x] !== undefined);
      const names = this.svg.select(".names");
      names.selectAll("circle").data(shown).join("circle")
        .attr("class", kind).attr("r", (one) => (one === chosen ? 6.5 : 4.5))
        .attr("cx", (one) => this.at(one)[0]).attr("cy", (one) => this.at(one)[1]);
      names.selectAll("text").data(shown).join("text")
        .attr("class", (one) => (one === chosen ? "chosen" : ""))
        .attr("text-anchor", (one) => (this.at(one)[0] > (box.left + box.right) / 2 ? "end" : "start"))
        .attr("x", (one) => this.at(one)[0] + (this.at(one)[0] > (box.left + box.right) / 2 ? -9 : 9))
        .attr("y", (one) => Math.max(this.at(one)[1] - 9, box.top + 10))
        .text((one) => `#${one.number}`);
    }

    markLimit(state) {
      const { box, keys } = this;
      const limits = ["x", "y"].filter((way) => !isError(keys[way])).map((way) => {
        const scale = this[way];
        const limit = state.limits[keys[way]];
        const [low, high] = scale.range();
        const at = limit === undefined ? high : Math.min(Math.max(scale(limit), Math.min(low, high)), Math.max(low, high));
        return { way, limit, at, scale, key: keys[way] };
      });
      this.svg.select(".zone").selectAll("rect").data(limits.filter((one) => one.limit !== undefined)).join("rect")
        .attr("x", (one) => (one.way === "x" ? one.at : box.left))
        .attr("y", box.top)
        .attr("width", (one) => (one.way === "x" ? box.right - one.at : box.right - box.left))
        .attr("height", (one) => (one.way === "x" ? box.bottom - box.top : one.at - box.top));
      const grips = this.svg.select(".grip").selectAll("g").data(limits, (one) => one.way).join((enter) => {
        const made = enter.append("g").attr("aria-hidden", "true");
        made.append("line");
        made.append("path").attr("d", "M0 0 8-12-8-12Z");
        made.append("circle").attr("r", 22).attr("cy", -6);
        made.append("text");
        const drag = d3.drag().container(() => this.svg.node())
          .on("drag", (event, one) => this.act.limit(one.key, this.reached(event, one)));
        return made.call(drag);
      });
      grips.classed("off", (one) => one.limit === undefined).attr("transform", (one) =>
        (one.way === "x" ? `translate(${one.at} ${box.top})` : `translate(${box.right} ${one.at}) rotate(90)`));
      grips.select("line").attr("y2", (one) => (one.way === "x" ? box.bottom - box.top : box.right - box.left));
      grips.select("text").attr("y", -2)
        .attr("text-anchor", (one) => (one.at > (box.left + box.right) / 2 ? "end" : "start"))
        .attr("x", (one) => (one.at > (box.left + box.right) / 2 ? -12 : 12))
        .text((one) => (one.way === "y" ? "" : one.limit === undefined ? "drag to limit" : `up to ${short(one.limit, one.key)}`));
    }

    reached(event, one) {
      const place = one.way === "x" ? event.x : event.y;
      const [low, high] = one.scale.range();
      const beyond = one.way === "x" ? place >= high - 1 : place <= high + 1;
      const inside = Math.min(Math.max(place, Math.min(low, high)), Math.max(low, high));
      return beyond ? undefined : +one.scale.invert(inside).toPrecision(3);
    }

    say(state, chosen) {
      const { task } = this;
      if (!task.members.length) return this.choice.replaceChildren("The set is empty.");
      const one = chosen || nearest(task.members, state.limits);
      const button = element("button", { type: "button", className: "link" }, id(task, one));
      button.onclick = (event) => this.act.pick(this.index, one.number, event.shiftKey);
      this.choice.classList.toggle("none", !chosen);
      if (!chosen) {
        const needs = misses(one, state.limits).map(({ cost, needs, over, share, limit }) =>
          `${exact(needs, cost)} ${measures.get(cost).label}, ${exact(over, cost)} ` +
          `(${(100 * share).toFixed(share >= 0.1 ? 0 : 2)} %) over ${exact(limit, cost)}`);
        return this.choice.replaceChildren("Nothing fits. Nearest: ", button, ` needs ${needs.join(" and ")}.`);
      }
      const part = (100 * one.parameters) / task.jack.parameters;
      this.choice.replaceChildren("Chosen: ", button, ` errs ${sosjax.percent(one.test_error)} on test data `,
        `(the Jack ${sosjax.percent(task.jack.test_error)}) with ${short(one.parameters, "parameters")} parameters, `,
        `${part.toFixed(part < 1 ? 1 : 0)} % of the Jack's.`);
    }
  };

  // The hypervolume of every task over the generations, on one scale.
  sosjax.drawVolumes = () => {
    const curves = data.hypervolume.flatMap(({ curve }) => curve);
    for (const figure of document.querySelectorAll("figure.volume")) {
      const { curve } = data.hypervolume[+figure.dataset.curve];
      const width = figure.querySelector("figcaption").clientWidth;
      const box = { left: 40, right: width - 8, top: 8, bottom: 110 };
      const x = d3.scaleLinear(d3.extent(curves, ([age]) => age), [box.left, box.right]);
      const y = d3.scaleLinear(d3.extent(curves, ([, value]) => value), [box.bottom, box.top]).nice(3);
      const svg = d3.select(figure).selectAll("svg").data([0]).join("svg")
        .attr("width", width).attr("height", 146).attr("role", "img")
        .attr("aria-label", `hypervolume from ${curve[0][1].toFixed(3)} to ${curve.at(-1)[1].toFixed(3)}`);
      for (const name of ["x axis", "y axis", "curve"]) {
        svg.selectAll(`.${name.replace(" ", ".")}`).data([0]).join("g").attr("class", name);
      }
      frame(svg, box, x, y, { x: () => d3.format("d"), y: () => d3.format(".2~f"), rows: 3 });
      svg.select(".x.axis").selectAll(".axis-label").data([0]).join("text")
        .attr("class", "axis-label").attr("x", box.right).attr("y", 33).text("generation");
      const line = d3.line(([age]) => x(age), ([, value]) => y(value));
      svg.select(".curve").selectAll("path").data([curve]).join("path").attr("d", line);
      svg.select(".curve").selectAll("circle").data([curve.at(-1)]).join("circle").attr("r", 3)
        .attr("cx", ([age]) => x(age)).attr("cy", ([, value]) => y(value));
    }
  };

  // All values of a cost or an error, so that plots share a scale.
  sosjax.valuesOf = (key) =>
    data.tasks.flatMap((task) => [task.jack, ...task.members, ...task.uniform, ...task.before])
      .map((one) => one[key]).filter((value) => value !== undefined);
}
