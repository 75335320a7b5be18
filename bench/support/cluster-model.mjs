// The time of a training step in many processes, from what was measured of one and of the links between them. The model
// of an exchange is that of Thakur, Rabenseifner, Gropp: "Optimization of Collective Communication Operations in MPICH"
// (2005): a message of m bytes takes latency + m / bandwidth.

/**
 * The seconds of one exchange of `bytes` among `processes`, as native/core/distributed does it: an all-to-all, a sum in
 * each process of its part, and an all-gather.
 *
 * @param link - of the slowest connection: { latency: seconds of a message, bandwidth: bytes/s of each process and
 * direction }
 */
export function exchangeSeconds(bytes, processes, link) {
  if (processes === 1) return 0;
  const sent = 2 * bytes * (processes - 1) / processes;
  return 2 * (processes - 1) * link.latency + sent / link.bandwidth;
}

/** The seconds of the small exchange of losses and wishes of each step. */
export function newsSeconds(processes, link) {
  return processes === 1 ? 0 : (processes - 1) * link.latency;
}

/** Buckets of gradients between machines, in bytes: exchange_options in native/core/distributed/data_parallel.cpp. */
export function bucketsOf(bytes, processes = 2) {
  const bucketBytes = 4 * 2 ** 20 * Math.max(1, Math.floor(processes / 8));
  if (bytes <= bucketBytes) return [bytes];
  const count = Math.ceil(bytes / bucketBytes);
  return Array.from({ length: count }, () => bytes / count);
}

/**
 * The seconds of a step in `processes` processes, each with the share whose computation takes `compute`.
 *
 * @param step - { compute: seconds of one process alone, backward: of it the backward pass, bytes: of gradients and
 * statistics, deviation: standard deviation of `compute` between processes, relative to it, buckets: default those
 * between machines }
 */
export function stepSeconds(step, processes, link) {
  const { compute, backward, bytes, deviation = 0, buckets = bucketsOf(bytes, processes) } = step;
  const last = exchangeSeconds(buckets.at(-1), processes, link);
  const others = (buckets.length - 1) * exchangeSeconds(buckets[0], processes, link);
  // Gradients of the last layers are complete soon in the backward pass; the last bucket is exchanged after it.
  const hidden = Math.min(others, backward * (buckets.length - 1) / buckets.length);
  return compute * (1 + deviation * expectedMaximum(processes)) + newsSeconds(processes, link) + others - hidden + last;
}

/** How many standard deviations the slowest of `count` normal values lies above their mean (Blom's approximation). */
export function expectedMaximum(count) {
  return count === 1 ? 0 : quantileOfNormal((count - 0.375) / (count + 0.25));
}

/** Acklam's rational approximation in its central region and its tails; relative error below 1.2e-9. */
function quantileOfNormal(p) {
  const a = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
    2.506628277459239];
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572];
  const c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783];
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
  const horner = (coefficients, x) => coefficients.reduce((sum, value) => sum * x + value, 0);
  const tail = 0.02425;
  if (p > 1 - tail) return -quantileOfNormal(1 - p);
  if (p < tail) {
    const q = Math.sqrt(-2 * Math.log(p));
    return horner(c, q) / (horner(d, q) * q + 1);
  }
  const q = p - 0.5;
  const r = q * q;
  return horner(a, r) * q / (horner(b, r) * r + 1);
}

/** The share of `processes` × one process's throughput. */
export function efficiency(step, processes, link) {
  return step.compute / stepSeconds(step, processes, link);
}

/** Latency and bandwidth by least squares from measured exchanges in one bucket: [{ bytes, processes, seconds }]. */
export function fitLink(points) {
  // seconds = latency · (3 (n − 1)) + 1/bandwidth · (2 bytes (n − 1) / n), weighted by 1 / seconds.
  let [aa, ab, bb, ay, by] = [0, 0, 0, 0, 0];
  for (const { bytes, processes: n, seconds } of points) {
    const [a, b, weight] = [3 * (n - 1), 2 * bytes * (n - 1) / n, 1 / seconds ** 2];
    aa += weight * a * a;
    ab += weight * a * b;
    bb += weight * b * b;
    ay += weight * a * seconds;
    by += weight * b * seconds;
  }
  const determinant = aa * bb - ab * ab;
  return { latency: (ay * bb - by * ab) / determinant, bandwidth: determinant / (by * aa - ay * ab) };
}
