// A detector's gradients on the fast path, compared with those on the reference path in float32 and in double.
// RetinaNet is compared because its losses are functions of all anchors: the proposals of R-CNNs depend on the order of
// scores that differ by less than a rounding error.
import { expect } from "chai";
import { createDetector, createSession, Tensor } from "../../../lib/index.js";
import { normOf, valuesOf } from "../../support/numeric.js";
import { uniforms } from "../../support/uniforms.js";

const SIZE = 64;

function arrayOf(type: "float32" | "float64", values: number[]): Float32Array | Float64Array {
  return type === "float32" ? Float32Array.from(values) : Float64Array.from(values);
}

async function firstStep(
  { dtype, fused, threads = 2 }: { dtype: "float32" | "float64"; fused: boolean; threads?: number },
): Promise<{ total: number; gradients: Map<string, number[]> }> {
  const detector = await createDetector("retinanet-resnet18-fpn", { numClasses: 5, seed: 3, dtype,
    detection: { minSize: null, norm: "frozen", trainableLayers: 3 } });
  const session = await createSession({ model: detector, threads, fused,
    optimizer: { kind: "sgd", learningRate: 0.01 } });
  const images = [1, 2].map((seed) => Tensor.from(arrayOf(dtype, uniforms(seed, 3 * SIZE * SIZE)), [3, SIZE, SIZE]));
  const boxes = () => Tensor.from(arrayOf(dtype, [6, 8, 40, 34, 20, 4, 60, 54]), [2, 4]);
  const labels = () => Tensor.from(BigInt64Array.of(1n, 4n), [2]);
  const { losses } = await session.step({ images, targets: images.map(() => ({ boxes: boxes(), labels: labels() })) });
  const gradients = new Map<string, number[]>();
  for (const [name, tensor] of Object.entries(await session.gradients())) gradients.set(name, valuesOf(tensor));
  session.dispose();
  detector.dispose();
  return { total: losses.total, gradients };
}

/** Distances of the gradients, relative to their norms, by rising size. */
function distances(left: Map<string, number[]>, right: Map<string, number[]>): number[] {
  expect([...left.keys()]).to.deep.equal([...right.keys()]);
  return [...left].map(([name, values]) => {
    const others = right.get(name) ?? [];
    const norm = normOf(values.map((value, index) => value - (others[index] ?? NaN)));
    return norm === 0 ? 0 : norm / normOf(others);
  }).sort((one, other) => one - other);
}

describe("the fast path of detectors", () => {
  it("computes the losses and gradients of the reference path to the digits of float32", async () => {
    const exact = await firstStep({ dtype: "float64", fused: false });
    const reference = await firstStep({ dtype: "float32", fused: false });
    const fast = await firstStep({ dtype: "float32", fused: true });
    expect(fast.total).to.be.closeTo(exact.total, 1e-5 * exact.total);
    for (const path of [fast, reference]) {
      const sorted = distances(path.gradients, exact.gradients);
      // 2⁻²⁴ for each of some thousand sums. Below a ReLU that a rounding error flips, every gradient differs by that
      // pixel's share of the map.
      expect(sorted[sorted.length >> 1]).to.be.below(1e-5);
      expect(sorted.at(-1)).to.be.below(2e-2);
    }
  });

  it("repeats its gradients bit for bit with as many threads", async () => {
    const first = await firstStep({ dtype: "float32", fused: true, threads: 3 });
    const second = await firstStep({ dtype: "float32", fused: true, threads: 3 });
    expect(distances(first.gradients, second.gradients).at(-1)).to.equal(0);
  });
});
