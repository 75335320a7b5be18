/** What a forward pass costs of a training step: the backward pass takes about twice as long as the forward one. */
const EVALUATION_SHARE = 1 / 3;

/** Foretells how long a training will still take. */
export class EtaEstimator {
  #evaluationSeconds: number | undefined;
  #imagesPerSecond = 0;

  constructor(private readonly plan: { readonly epochs: number; readonly trainSamples: number; readonly testSamples: number }) {}

  /** Takes notice of a speed in training. */
  trainedAt(imagesPerSecond: number): void {
    if (imagesPerSecond > 0) this.#imagesPerSecond = imagesPerSecond;
  }

  /** Takes notice of how long one evaluation took. */
  evaluatedIn(seconds: number): void {
    this.#evaluationSeconds = seconds;
  }

  /** Seconds to the end of the last epoch, evaluations included, where `images` of epoch `epoch` are done. */
  from(epoch: number, images: number): number {
    if (this.#imagesPerSecond === 0) return 0;
    const { epochs, trainSamples, testSamples } = this.plan;
    const left = Math.max(0, (epochs - epoch) * trainSamples - images) / this.#imagesPerSecond;
    const evaluation = this.#evaluationSeconds ?? (testSamples * EVALUATION_SHARE) / this.#imagesPerSecond;
    return left + (epochs - epoch) * evaluation;
  }
}
