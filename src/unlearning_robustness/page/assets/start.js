/* First the charts, then what takes longer. A failure leaves the page as it is without JavaScript. */
(async () => {
  if (typeof DecompressionStream === "undefined") return;
  page.data = parsed(await unpack(document.getElementById("data").textContent));
  page.place = Object.keys(page.data.places)[0];
  document.body.classList.remove("plain");
  if (page.place) {
    hero();
    document.body.dataset.chart = String(Math.round(performance.now()));
    explore();
  }
  await new Promise((resolve) => setTimeout(resolve));
  document.head.append(element("script", {}, document.getElementById("tabulator").textContent));
  tables();
  if (page.place) await questions();
  dark.addEventListener("change", () => page.place && (hero(), explore()));
  document.body.dataset.ready = "true";
})();
