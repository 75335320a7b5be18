import type { ClassifiedImage } from "../../index.js";
import { formatCount, formatPercent, formatTimeLeft, printable } from "./format.js";
import type { Output } from "./output.js";
import { openProgress } from "./progress-bar.js";
import { renderTable } from "./table.js";

/** Prints the classes of each image, and the progress. */
export class PredictReporter {
  readonly #progress;
  readonly #started: number;
  #images = 0;
  #skipped = 0;

  constructor(private readonly output: Output, private readonly total: number,
    private readonly now = () => performance.now()) {
    this.#progress = openProgress(output, now);
    this.#started = now();
  }

  /** Number of images whose classes were printed. */
  get images(): number {
    return this.#images;
  }

  classified({ path, predictions }: ClassifiedImage): void {
    ++this.#images;
    this.#clearBar();
    this.output.event({ type: "prediction", path, predictions });
    this.output.line(`${printable(path)}\n${predictionTable(predictions)}`);
    this.#update();
  }

  skipped(path: string, reason: string): void {
    ++this.#skipped;
    this.#clearBar();
    this.output.event({ type: "skipped", path, reason });
    this.output.notice(`skipped ${printable(path)}: ${printable(reason)}`);
    this.#update();
  }

  /** Must be called however the work ends. */
  close(): void {
    this.#progress.clear();
  }

  summary(): void {
    const seconds = (this.now() - this.#started) / 1000;
    this.output.event({ type: "predicted", images: this.#images, skipped: this.#skipped, total: this.total, seconds });
    const skipped = this.#skipped === 0 ? "" : `, ${formatCount(this.#skipped)} skipped`;
    this.output.line(`${formatCount(this.#images)} of ${formatCount(this.total)} images${skipped}, ` +
      `${(this.#images / seconds).toFixed(0)} images/s`);
  }

  /** Makes room for lines. Elsewhere than on a terminal there is no bar, and clearing would put off the next line. */
  #clearBar(): void {
    if (this.output.interactive) this.#progress.clear();
  }

  #update(): void {
    const done = this.#images + this.#skipped;
    if (done === this.total) return;
    const timeLeft = formatTimeLeft({ startedAt: this.#started, done, total: this.total }, this.now());
    const text = `${formatCount(done)} of ${formatCount(this.total)} images${timeLeft}`;
    this.#progress.update(done, this.total, { label: "predict", text }, () => {
      this.output.notice(text);
    });
  }
}

function predictionTable(predictions: ClassifiedImage["predictions"]): string {
  return renderTable(["class", "label", "probability"], predictions.map((
    { label, className, probability },
  ) => [printable(className), String(label), `${formatPercent(100 * probability)} %`]), ["label", "probability"]);
}
