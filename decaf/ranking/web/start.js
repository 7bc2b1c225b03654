// The first showing, and following the window.

let isRendering = false;

function renderSoon() {
  if (isRendering) return;
  isRendering = true;
  requestAnimationFrame(() => {
    isRendering = false;
    render();
  });
}

addEventListener("scroll", renderSoon, { passive: true });
addEventListener("scroll", keepSoon, { passive: true });
addEventListener("resize", () => {
  renderSoon();
  scale(); // the screen may be another one
});
restore();
new ResizeObserver(() => {
  if (grid.clientWidth === layout.width) return;
  const from = placeNow();
  arrange();
  if (scrollY > 0) goBack(from);
}).observe(grid);
