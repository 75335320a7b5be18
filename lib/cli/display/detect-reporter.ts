import type { DetectedImage, Detections } from "../../index.js";
import { formatCount, formatDuration } from "./format.js";
import type { Output } from "./output.js";
import { openProgress } from "./progress-bar.js";
import { renderTable } from "./table.js";

/** Prints what was found in each image, and the progress. */
export class DetectReporter {
  readonly #progress;
  readonly #started: number;
  #images = 0;
  #skipped = 0;
  #objects = 0;

  constructor(private readonly output: Output, private readonly classNames: readonly (string | null)[],
    private readonly total: number, private readonly now = () => performance.now()) {
    this.#progress = openProgress(output, now);
    this.#started = now();
  }

  found({ path, size, detections }: DetectedImage, picture: string | undefined): void {
    const objects = objectsOf(detections, this.classNames);
    ++this.#images;
    this.#objects += objects.length;
    this.#clearBar();
    this.output.event({ type: "detections", path, height: size[0], width: size[1], detections: objects,
      ...(picture !== undefined && { picture }) });
    if (objects.length === 0) this.output.line(`${plain(path)}: nothing found`);
    else this.output.line(`${plain(path)}\n${objectTable(objects)}`);
    this.#update();
  }

  skipped(path: string, reason: string): void {
    ++this.#skipped;
    this.#clearBar();
    this.output.event({ type: "skipped", path, reason });
    this.output.notice(`skipped ${plain(path)}: ${plain(reason)}`);
    this.#update();
  }

  /** Must be called however the search ends. */
  close(): void {
    this.#progress.clear();
  }

  summary(out: string | undefined): void {
    const seconds = (this.now() - this.#started) / 1000;
    this.output.event({ type: "detected", images: this.#images, skipped: this.#skipped, objects: this.#objects,
      total: this.total, seconds, ...(out !== undefined && { out }) });
    const skipped = this.#skipped === 0 ? "" : `, ${formatCount(this.#skipped)} skipped`;
    this.output.line(
      `${formatCount(this.#objects)} ${this.#objects === 1 ? "object" : "objects"} in ${formatCount(this.#images)} of ` +
        `${formatCount(this.total)} images${skipped}${out === undefined ? "" : `; results are in ${out}`}`,
    );
  }

  /** Makes room for lines. Elsewhere than on a terminal there is no bar, and clearing would put off the next line. */
  #clearBar(): void {
    if (this.output.interactive) this.#progress.clear();
  }

  #update(): void {
    const done = this.#images + this.#skipped;
    if (done === this.total) return;
    const left = ((this.now() - this.#started) / 1000 / done) * (this.total - done);
    const text = `${formatCount(done)} of ${formatCount(this.total)} images, ${formatDuration(left)} left`;
    this.#progress.update(done, this.total, { label: "detect", text }, () => {
      this.output.notice(text);
    });
  }
}

interface FoundObject {
  readonly label: number;
  readonly name: string | null;
  readonly score: number;
  /** x1 y1 x2 y2 in pixels. */
  readonly box: readonly number[];
}

function objectsOf({ boxes, scores, labels }: Detections, classNames: readonly (string | null)[]): FoundObject[] {
  const [corners, certainty] = [boxes.toTypedArray(), scores.toTypedArray()];
  return Array.from(labels.toTypedArray() as BigInt64Array, Number).map((label, index) => ({
    label,
    name: classNames[label] ?? null,
    score: Number(certainty[index]),
    box: [0, 1, 2, 3].map((side) => Number(corners[4 * index + side])),
  }));
}

function objectTable(objects: readonly FoundObject[]): string {
  const numbers = ["score", "x1", "y1", "x2", "y2"];
  const rows = objects.map((
    { label, name, score, box },
  ) => [plain(name ?? String(label)), score.toFixed(3), ...box.map((value) => value.toFixed(1))]);
  return renderTable(["class", ...numbers], rows, numbers);
}

/** Names from files and weights, which are untrusted, without control characters. */
function plain(value: string): string {
  return value.replace(/\p{C}/gu, " ");
}
