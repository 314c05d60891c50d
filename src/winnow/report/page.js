// Tooltips: the point nearest to the pointer, or the one that arrow keys have come to.
"use strict";
const tip = document.getElementById("tip");
for (const chart of document.querySelectorAll("svg.chart")) {
  const ring = chart.querySelector(".ring");
  const series = [...chart.querySelectorAll(".series")].map((group) => JSON.parse(group.dataset.points)).filter((points) => points.length);
  let at = [0, 0];
  const hide = () => { tip.hidden = true; ring.setAttribute("cx", -20); ring.setAttribute("cy", -20); };
  const show = (s, n) => {
    at = [s, n];
    const [x, y, note] = series[s][n];
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    tip.textContent = note;
    tip.hidden = false;
    const box = chart.getBoundingClientRect(), scale = box.width / chart.viewBox.baseVal.width;
    const left = box.left + x * scale, top = box.top + y * scale, width = document.documentElement.clientWidth;
    const over = top - tip.offsetHeight - 14;
    tip.style.left = `${Math.max(6, Math.min(left - tip.offsetWidth / 2, width - tip.offsetWidth - 6)) + scrollX}px`;
    tip.style.top = `${(over > 0 ? over : top + 14) + scrollY}px`;
  };
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect(), scale = box.width / chart.viewBox.baseVal.width;
    const px = (event.clientX - box.left) / scale, py = (event.clientY - box.top) / scale;
    let best = 30 ** 2, found = null;
    series.forEach((points, s) => points.forEach(([x, y], n) => {
      const distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < best) [best, found] = [distance, [s, n]];
    }));
    if (found) show(...found); else if (document.activeElement !== chart) hide();
  });
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("focus", () => { if (series.length && chart.matches(":focus-visible")) show(...at); });
  chart.addEventListener("keydown", (event) => {
    let [s, n] = at;
    if (event.key === "Escape") return hide();
    if (event.key === "ArrowRight") n += 1;
    else if (event.key === "ArrowLeft") n -= 1;
    else if (event.key === "ArrowDown") s += 1;
    else if (event.key === "ArrowUp") s -= 1;
    else return;
    event.preventDefault();
    if (!series.length) return;
    s = (s + series.length) % series.length;
    show(s, Math.max(0, Math.min(n, series[s].length - 1)));
  });
}
