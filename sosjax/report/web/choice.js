// Which member some limits select: the rule of `SetOfSets.select`, number for number.
"use strict";
window.sosjax = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  const earlier = (one, other) => {
    const place = one.findIndex((value, index) => value !== other[index]);
    return place >= 0 && one[place] < other[place];
  };
  const least = (members, rank) =>
    members.reduce((best, one) => (best && !earlier(rank(one), rank(best)) ? best : one), null);

  // Limits are {cost: number}; a miss is what a member needs above one.
  const misses = (member, limits) =>
    Object.entries(limits)
      .filter(([cost, limit]) => member[cost] > limit)
      .map(([cost, limit]) => ({
        cost, limit, needs: member[cost],
        over: member[cost] - limit, share: (member[cost] - limit) / limit,
      }));
  const excess = (member, limits) => Math.max(0, ...misses(member, limits).map((one) => one.share));

  // What members are chosen by: what rounds of recovery expect of one, or else its own error.
  const error = (one) => one.expected_error ?? one.validation_error;
  // The lowest validation error within the limits, of equals the fewest parameters, then the first.
  const choose = (members, limits) =>
    least(
      members.filter((one) => !misses(one, limits).length),
      (one) => [error(one), one.parameters, one.number],
    );
  // Of members that all miss, the one whose largest excess is the smallest share of its limit.
  const nearest = (members, limits) =>
    least(members, (one) => [excess(one, limits), one.parameters, one.number]);

  // What the rule gives as the limit of one cost rises: the members, the costs from which on.
  const staircase = (members, cost) => {
    const steps = [];
    for (const one of [...members].sort((a, b) => a[cost] - b[cost])) {
      const best = steps.at(-1);
      const rank = (each) => [error(each), each.parameters];
      if (best && !earlier(rank(one), rank(best))) continue;
      if (best && best[cost] === one[cost]) steps.pop();
      steps.push(one);
    }
    return steps;
  };

  // Numbers as people read them: 12.4 k, 48.1 kB, 3.25 ms, 13.05 %.
  const measures = new Map([...data.costs, ...data.errors].map((one) => [one.key, one]));
  const isError = (key) => data.errors.some((one) => one.key === key);
  const percent = (share) => (100 * share).toFixed(2) + " %";
  const short = (value, key) => {
    if (isError(key)) return percent(value);
    const unit = measures.get(key).unit;
    const scaled = (unit === "" || unit === "B") && value >= 999.5;
    if (!scaled) return (d3.format(",.3~r")(value) + " " + unit).trim();
    return d3.format(".3~s")(value).replace(/(\D)$/, " $1") + unit;
  };
  const unitOf = (key) => (key === "bytes" ? "" : measures.get(key).unit ?? ""); // bytes say it
  const exact = (value, key) => {
    if (isError(key)) return percent(value);
    return `${d3.format(Number.isInteger(value) ? "," : ",.4~r")(value)} ${unitOf(key)}`.trim();
  };

  const element = (tag, fields = {}, ...inside) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(fields)) {
      if (name in made && !name.startsWith("aria")) made[name] = value;
      else made.setAttribute(name, value);
    }
    made.append(...inside.filter((one) => one !== null && one !== undefined));
    return made;
  };
  const id = (task, member) => `${task.name}/${member.number}`;

  return {
    data, measures, isError, misses, choose, nearest, staircase,
    percent, short, exact, unitOf, element, id,
  };
})();
