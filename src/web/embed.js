// A frame as high as what is in it. In the frame: tells its height. On the page that holds it: heeds that.

const HOME = new URL(".", import.meta.url);

if (window.parent !== window) {
  // A height is no secret, and who holds the frame is not known here.
  const tell = () => {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    window.parent.postMessage({ type: "catchment-height", height }, "*");
  };
  new ResizeObserver(tell).observe(document.documentElement);
}

window.addEventListener("message", ({ source, data }) => {
  if (data?.type !== "catchment-height" || !Number.isFinite(data.height)) return;
  // A frame in a sandbox has no origin to be told by, but a window and an address.
  for (const frame of document.querySelectorAll("iframe")) {
    if (frame.contentWindow === source && frame.src.startsWith(HOME.href)) {
      frame.height = Math.min(Math.max(data.height, 100), 5000);
    }
  }
});
