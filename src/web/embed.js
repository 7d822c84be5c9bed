// Makes a frame as high as its content: the page in the frame reports its height, and the page that contains the frame
// sets the height of the frame.

const HOME = new URL(".", import.meta.url);

if (window.parent !== window) {
  // Any origin may receive the height, because it is not secret and the frame does not know the origin of its parent.
  const reportHeight = () => {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    window.parent.postMessage({ type: "catchment-height", height }, "*");
  };
  new ResizeObserver(reportHeight).observe(document.documentElement);
}

window.addEventListener("message", ({ source, data }) => {
  if (data?.type !== "catchment-height" || !Number.isFinite(data.height)) return;
  // The origin of a sandboxed frame is "null", so compare the window and the URL of the frame instead.
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow === source && frame.src.startsWith(HOME.href)) {
      frame.height = Math.min(Math.max(data.height, 100), 5000);
    }
  }
});
