"use strict";
// What answering only above a limit gives.
(() => {
  const data = report.data("calibration");
  const slider = document.getElementById("answer-above");
  if (!data || !slider) return;
  const show = () => {
    const limit = Number(slider.value);
    const percent = Math.round(100 * data.limits[limit]) + "\u00a0%";
    const images = data.images[limit];
    document.getElementById("answer-limit").textContent = percent;
    slider.setAttribute("aria-valuetext", percent);
    const share = `${report.percent(images / data.of)} of the images are answered ` +
      `(${report.count(images)} of ${report.count(data.of)})`;
    document.getElementById("answered").textContent = images === 0
      ? "No image is answered."
      : `${share}; ${report.percent(data.right[limit] / images)} of these are right.`;
  };
  slider.addEventListener("input", show);
  show();
})();
