// The parts of the page, and what they show.
import type { Classified, Classifier } from "./classifier.js";

const MOST_CLASSES = 5;
const MEGABYTE = 1e6;

function part(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no #${id}`);
  return found;
}

export const drop = part("drop");
export const file = part("file") as HTMLInputElement;
export const device = part("device") as HTMLSelectElement;

export function showDevices(chosen: string): void {
  device.value = chosen;
  part("devices").hidden = false;
}

export function showProgress(loaded: number, total: number): void {
  const megabytes = (bytes: number): string => (bytes / MEGABYTE).toFixed(1);
  part("bytes").textContent = `Loading the network and its runtime: ${megabytes(loaded)} of ${megabytes(total)} MB`;
  (part("progress") as HTMLProgressElement).value = loaded / total;
}

export function showNetwork({ name, classNames, crop }: Classifier): void {
  part("loading").hidden = true;
  part("network").textContent = `${name}, ${classNames.length} classes`;
  part("size").textContent = `${crop.width} × ${crop.height} pixels`;
  part("status").textContent = "The network is loaded.";
}

/** Shows the picture before it is classified; `null` for none. */
export function showPicture(shown: File | null): void {
  const picture = part("picture") as HTMLImageElement;
  URL.revokeObjectURL(picture.src);
  picture.hidden = shown === null;
  if (shown !== null) picture.src = URL.createObjectURL(shown);
  picture.alt = shown?.name ?? "";
  part("error").hidden = true;
  part("result").hidden = true;
}

export function showResult({ predictions, pixels, preparationMs, inferenceMs }: Classified,
  { crop }: Classifier): void {
  const best = predictions.slice(0, MOST_CLASSES);
  part("classes").replaceChildren(...best.map(({ className, probability }) => {
    const percent = `${(probability * 100).toFixed(1)} %`;
    const bar = element("div", "bar", "");
    bar.style.width = percent.replace(" ", "");
    const track = element("div", "track", "");
    track.append(bar);
    const item = document.createElement("li");
    item.append(element("span", "name", className), element("span", "percent", percent), track);
    item.dataset["probability"] = String(probability);
    return item;
  }));
  drawSeen(pixels, crop);
  part("time").textContent = `Picture prepared in ${preparationMs.toFixed(0)} ms, classified in ${inferenceMs.toFixed(0)} ms`;
  part("result").hidden = false;
  const [first] = best;
  if (first !== undefined)
    part("status").textContent = `${first.className}, ${(first.probability * 100).toFixed(0)} percent`;
}

export function showError(message: string): void {
  part("loading").hidden = true;
  part("result").hidden = true;
  part("error").textContent = message;
  part("error").hidden = false;
}

function element(name: string, className: string, text: string): HTMLElement {
  return Object.assign(document.createElement(name), { className, textContent: text });
}

function drawSeen(pixels: Uint8ClampedArray, { height, width }: Classifier["crop"]): void {
  const rgba = new ImageData(width, height);
  rgba.data.forEach((_, at, data) => {
    data[at] = at % 4 === 3 ? 255 : pixels[Math.floor(at / 4) * 3 + at % 4] ?? 0;
  });
  const canvas = part("seen") as HTMLCanvasElement;
  Object.assign(canvas, { width, height });
  canvas.getContext("2d")?.putImageData(rgba, 0, 0);
}
