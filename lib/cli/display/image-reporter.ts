import { formatCount, formatTimeLeft, printable } from "./format.js";
import type { Output } from "./output.js";
import { openProgress } from "./progress-bar.js";

/** Prints results image by image, those that were skipped, and the progress. */
export abstract class ImageReporter {
  readonly #progress;
  readonly #started: number;
  #images = 0;
  #skipped = 0;

  /** @param label - what is done, for the bar. */
  constructor(protected readonly output: Output, private readonly label: string, private readonly total: number,
    private readonly now: () => number) {
    this.#progress = openProgress(output, now);
    this.#started = now();
  }

  /** Number of images with results. */
  get images(): number {
    return this.#images;
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

  /** Prints the results of an image. */
  protected done(print: () => void): void {
    ++this.#images;
    this.#clearBar();
    print();
    this.#update();
  }

  /** The counts of images and the time so far, for the summary. */
  protected counts(): { readonly images: number; readonly skipped: number; readonly total: number;
    readonly seconds: number } {
    return { images: this.#images, skipped: this.#skipped, total: this.total,
      seconds: (this.now() - this.#started) / 1000 };
  }

  /** "3 of 4 images, 1 skipped". */
  protected countText(): string {
    const skipped = this.#skipped === 0 ? "" : `, ${formatCount(this.#skipped)} skipped`;
    return `${formatCount(this.#images)} of ${formatCount(this.total)} images${skipped}`;
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
    this.#progress.update(done, this.total, { label: this.label, text }, () => {
      this.output.notice(text);
    });
  }
}
