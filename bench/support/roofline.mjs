// A lower bound for a step: the sum over its operations of the larger of the arithmetic at the measured rate of a
// matrix product and the minimal traffic at the measured rate of a copy.

const BYTES = { float32: 4, bfloat16: 2 };

/**
 * Seconds of a step. `operations`: convolutions as the baseline lists them; `rates`: GFLOP/s by precision and GB/s of
 * `copy`. A trained convolution includes the normalization that follows it: statistics need a second pass over its
 * output, and so do their gradients.
 */
export function rooflineSeconds(operations, rates, precision) {
  const seconds = (flops, values) =>
    Math.max(flops / (rates[precision] * 1e9), (values * BYTES[precision]) / (rates.copy * 1e9));
  let arithmetic = 0;
  let total = 0;
  for (const { part, n, in: inChannels, out, kernel, height, width, heightOut, widthOut, needsInputGradient }
    of operations) {
    const flops = 2 * n * heightOut * widthOut * kernel ** 2 * inChannels * out;
    const input = n * height * width * inChannels;
    const output = n * heightOut * widthOut * out;
    const add = (operationFlops, values) => {
      arithmetic += operationFlops;
      total += seconds(operationFlops, values);
    };
    add(flops, input + output);
    if (part === "teacher") continue;
    add(0, 2 * output); // normalize: read, write
    add(0, 2 * output); // sums of the gradient: read the gradient and the normalized input
    add(flops, input + output); // the weight's gradient
    if (needsInputGradient) add(flops, input + output);
    // The pyramid loss of a fusion's output: both maps forward, both and the gradient backward.
    if (part === "review" && kernel === 3) add(0, 5 * output);
  }
  return { seconds: total, arithmeticSeconds: arithmetic / (rates[precision] * 1e9), gflop: arithmetic / 1e9 };
}
