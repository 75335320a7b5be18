/** Share of a training step spent in the forward pass; the backward pass takes about twice as long. */
const EVALUATION_SHARE = 1 / 3;

export class EtaEstimator {
  #evaluationSeconds: number | undefined;
  #imagesPerSecond = 0;

  /** @param plan - `images`: training images of all epochs. Default: those of whole epochs. */
  constructor(
    private readonly plan: { readonly epochs: number; readonly trainSamples: number; readonly testSamples: number;
      readonly images?: number },
  ) {}

  trainedAt(imagesPerSecond: number): void {
    if (imagesPerSecond > 0) this.#imagesPerSecond = imagesPerSecond;
  }

  evaluatedIn(seconds: number): void {
    this.#evaluationSeconds = seconds;
  }

  /** Seconds to the end of the last epoch, including evaluations, after `images` images of epoch `epoch`. */
  from(epoch: number, images: number): number {
    if (this.#imagesPerSecond === 0) return 0;
    const { epochs, trainSamples, testSamples, images: all = epochs * trainSamples } = this.plan;
    const left = Math.max(0, all - epoch * trainSamples - images) / this.#imagesPerSecond;
    const evaluation = this.#evaluationSeconds ?? (testSamples * EVALUATION_SHARE) / this.#imagesPerSecond;
    return left + (epochs - epoch) * evaluation;
  }
}
