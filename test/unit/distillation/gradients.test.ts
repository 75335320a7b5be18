// Holds the gradients of a whole distillation step against differences of its loss.
import { expect } from "chai";
import { createSession, Tensor, type Distiller, type StateDict } from "../../../lib/index.js";
import { filled, goldenImages, labelTensor, sequence } from "../../support/deterministic.js";
import { filledDistiller } from "../../support/networks.js";
import { expectNear, normOf, slopeOf, sumOf, valuesOf } from "../../support/numeric.js";

const WEIGHT = 0.7;
const LABELS = [1, 3, 0];
const images = (): Tensor => goldenImages(3, [8, 8]);

const parts = {
  teacher: "resnet8", student: "resnet8", numClasses: 4, method: { weight: WEIGHT, midChannels: 16 },
} as const;

/** Mean over the batch of -log softmax at the label. */
function crossEntropy(logits: Tensor, labels: readonly number[]): number {
  const classes = logits.shape[1]!;
  const rows = labels.map((label, i) => {
    const row = valuesOf(logits).slice(i * classes, (i + 1) * classes);
    return Math.log(sumOf(row.map(Math.exp))) - row[label]!;
  });
  return sumOf(rows) / rows.length;
}

async function totalLoss(distiller: Distiller): Promise<number> {
  const { studentLogits, perStage } = await distiller.forward(images());
  return crossEntropy(studentLogits, LABELS) + WEIGHT * sumOf(perStage);
}

describe("the gradients of a distillation step", () => {
  let gradients: StateDict;
  let state: StateDict;
  let distiller: Distiller;

  before(async () => {
    const session = await createSession({ distiller: await filledDistiller(parts) });
    await session.step({ images: images(), labels: labelTensor(LABELS) });
    gradients = await session.gradients();
    session.dispose();
    // A distiller that no session ever touched; running statistics move in it, which train mode does not read.
    distiller = await filledDistiller(parts);
    state = filled(await distiller.stateDict());
  });

  it("exist for every parameter of the student and the method, and for nothing else", () => {
    const parameters = Object.keys(state).filter((name) => !/running_(mean|var)$|num_batches_tracked$/.test(name));
    expect(Object.keys(gradients)).to.have.members(parameters);
  });

  // One of each kind of module, at different depths.
  for (const name of [
    "student.conv1.weight", "student.bn1.weight", "student.bn1.bias", "student.layer1.0.conv1.weight", "student.layer1.0.bn2.bias",
    "student.layer2.0.downsample.0.weight", "student.layer2.0.downsample.1.weight", "student.layer3.0.conv2.weight",
    "student.fc.weight", "student.fc.bias",
    "abfs.0.conv1.0.weight", "abfs.0.conv1.1.weight", "abfs.0.conv2.0.weight", "abfs.0.conv2.1.bias",
    "abfs.1.conv1.1.bias", "abfs.1.att_conv.0.weight", "abfs.1.att_conv.0.bias", "abfs.2.conv1.0.weight",
    "abfs.3.att_conv.0.weight", "abfs.3.conv2.0.weight", "abfs.3.conv2.1.weight",
  ]) {
    it(`agree with differences for ${name}`, async () => {
      const { shape } = state[name]!;
      const start = valuesOf(state[name]!);
      const gradient = valuesOf(gradients[name]!);
      // Along the gradient the slope is its norm; the second part makes an error in any single element show.
      const noise = sequence(`direction of ${name}`, start.length);
      const norm = normOf(gradient);
      const direction = gradient.map((value, i) => value / norm + noise[i]! / Math.sqrt(start.length));
      const moved = async (step: number): Promise<number> => {
        const values = Float64Array.from(start, (value, i) => value + step * direction[i]!);
        await distiller.loadStateDict({ [name]: Tensor.from(values, shape) }, { strict: false });
        return totalLoss(distiller);
      };
      const slope = await slopeOf(moved, 1e-6);
      await distiller.loadStateDict({ [name]: state[name]! }, { strict: false });
      const want = sumOf(gradient.map((value, i) => value * direction[i]!));
      // A loss near 5 rounds to 1e-15, which the step of 1e-6 makes 1e-9; the square of the step is far below.
      expect(Math.abs(want), "a slope that differences can resolve").to.be.above(1e-3);
      expectNear(slope, want, 1e-6, name);
    });
  }
});
