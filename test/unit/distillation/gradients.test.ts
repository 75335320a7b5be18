// Compares the gradients of a whole distillation step with finite differences of its loss.
import { expect } from "chai";
import { createSession, Tensor, type Distiller, type MethodInput, type StateDict } from "../../../lib/index.js";
import { filled, goldenImages, labelTensor, sequence } from "../../support/deterministic.js";
import { filledDistiller } from "../../support/networks.js";
import { expectNear, normOf, slopeOf, sumOf, valuesOf } from "../../support/numeric.js";

const LABELS = [1, 3, 0];
const images = (): Tensor => goldenImages(3, [8, 8]);

/**
 * A method, its weights by term, and parameters of each kind from its modules and the student, at different depths.
 */
interface Case {
  readonly method: MethodInput;
  readonly weights: readonly number[];
  readonly names: readonly string[];
}

const warmupEpochs = 0;
const CASES: Readonly<Record<string, Case>> = {
  review: {
    method: { kind: "review", weight: 0.7, warmupEpochs, midChannels: 16 },
    weights: [0.7],
    names: [
      "student.conv1.weight",
      "student.bn1.weight",
      "student.bn1.bias",
      "student.layer1.0.conv1.weight",
      "student.layer1.0.bn2.bias",
      "student.layer2.0.downsample.0.weight",
      "student.layer2.0.downsample.1.weight",
      "student.layer3.0.conv2.weight",
      "student.fc.weight",
      "student.fc.bias",
      "abfs.0.conv1.0.weight",
      "abfs.0.conv1.1.weight",
      "abfs.0.conv2.0.weight",
      "abfs.0.conv2.1.bias",
      "abfs.1.conv1.1.bias",
      "abfs.1.att_conv.0.weight",
      "abfs.1.att_conv.0.bias",
      "abfs.2.conv1.0.weight",
      "abfs.3.att_conv.0.weight",
      "abfs.3.conv2.0.weight",
      "abfs.3.conv2.1.weight",
    ],
  },
  "review by sum and l2, stages weighted": {
    method: { kind: "review", warmupEpochs, midChannels: 8, fusion: "sum", distance: "l2",
      stageWeights: [0.5, 2, 1, 0.25] },
    weights: [1],
    names: ["student.conv1.weight", "abfs.0.conv1.0.weight", "abfs.2.conv1.1.weight", "abfs.3.conv2.0.weight"],
  },
  "review-fused": {
    method: { kind: "review-fused", weight: 0.7, warmupEpochs, midChannels: 8 },
    weights: [0.7],
    names: [
      "student.conv1.weight",
      "student.layer3.0.conv2.weight",
      "stacks.0.0.conv2.0.weight",
      "stacks.3.0.conv1.0.weight",
      "stacks.3.1.att_conv.0.weight",
      "stacks.2.2.conv2.1.weight",
      "stacks.3.3.conv2.0.weight",
    ],
  },
  "single-layer": {
    method: { kind: "single-layer", warmupEpochs, stage: 3, teacherStage: 1 },
    weights: [1],
    names: ["student.conv1.weight", "student.layer3.0.conv2.weight", "transforms.0.weight", "transforms.0.bias"],
  },
  "multi-layer": {
    method: { kind: "multi-layer", warmupEpochs, stageWeights: [1, 0.5, 2, 3] },
    weights: [1],
    names: ["student.layer1.0.conv1.weight", "transforms.0.weight", "transforms.3.bias"],
  },
  "review-stage": {
    method: { kind: "review-stage", warmupEpochs, distance: "hcl" },
    weights: [1],
    names: ["student.layer3.0.conv2.weight", "transforms.0.weight", "transforms.3.weight"],
  },
  "review-pairs": {
    method: { kind: "review-pairs", weight: 0.3, warmupEpochs },
    weights: [0.3],
    names: ["student.layer2.0.conv1.weight", "transforms.1.weight", "transforms.9.bias"],
  },
  kd: { method: { kind: "kd", weight: 2 }, weights: [2],
    names: ["student.conv1.weight", "student.fc.weight", "student.fc.bias"] },
  dkd: { method: { kind: "dkd", warmupEpochs }, weights: [1],
    names: ["student.conv1.weight", "student.fc.weight", "student.fc.bias"] },
  sum: {
    method: {
      kind: "sum",
      of: [{ kind: "dkd", weight: 0.2, warmupEpochs }, { kind: "review", warmupEpochs, midChannels: 8, weight: 0.5 }, {
        kind: "multi-layer",
        warmupEpochs,
      }],
    },
    weights: [0.2, 0.5, 1],
    names: ["student.conv1.weight", "student.fc.weight", "methods.1.abfs.1.conv1.0.weight",
      "methods.2.transforms.1.weight"],
  },
};

/** Mean over the batch of -log softmax at the label. */
function crossEntropy(logits: Tensor, labels: readonly number[]): number {
  const classes = logits.shape[1]!;
  const rows = labels.map((label, i) => {
    const row = valuesOf(logits).slice(i * classes, (i + 1) * classes);
    return Math.log(sumOf(row.map(Math.exp))) - row[label]!;
  });
  return sumOf(rows) / rows.length;
}

async function totalLoss(distiller: Distiller, weights: readonly number[]): Promise<number> {
  const { studentLogits, terms } = await distiller.forward(images(), { labels: labelTensor(LABELS) });
  return crossEntropy(studentLogits, LABELS) + sumOf(terms.map(({ loss }, k) => weights[k]! * loss));
}

for (const [what, { method, weights, names }] of Object.entries(CASES)) {
  describe(`the gradients of a distillation step, ${what}`, () => {
    const parts = { teacher: "resnet8", student: "resnet8", numClasses: 4, method };
    let gradients: StateDict;
    let state: StateDict;
    let distiller: Distiller;

    before(async () => {
      const session = await createSession({ distiller: await filledDistiller(parts) });
      await session.step({ images: images(), labels: labelTensor(LABELS) });
      gradients = await session.gradients();
      session.dispose();
      // A distiller that no session has used; only its running statistics are updated, which train mode does not
      // read.
      distiller = await filledDistiller(parts);
      state = filled(await distiller.stateDict());
    });

    it("exist for every parameter of the student and the method, and for nothing else", () => {
      const parameters = Object.keys(state).filter((name) => !/running_(mean|var)$|num_batches_tracked$/.test(name));
      expect(Object.keys(gradients)).to.have.members(parameters);
    });

    for (const name of names) {
      it(`agree with finite differences for ${name}`, async () => {
        const { shape } = state[name]!;
        const start = valuesOf(state[name]!);
        const gradient = valuesOf(gradients[name]!);
        // Along the gradient the slope is its norm; the second part exposes an error in any single element.
        const noise = sequence(`direction of ${name}`, start.length);
        const norm = normOf(gradient);
        const direction = gradient.map((value, i) => value / norm + noise[i]! / Math.sqrt(start.length));
        const moved = async (step: number): Promise<number> => {
          const values = Float64Array.from(start, (value, i) => value + step * direction[i]!);
          await distiller.loadStateDict({ [name]: Tensor.from(values, shape) }, { strict: false });
          return totalLoss(distiller, weights);
        };
        const slope = await slopeOf(moved, 1e-6);
        await distiller.loadStateDict({ [name]: state[name]! }, { strict: false });
        const want = sumOf(gradient.map((value, i) => value * direction[i]!));
        // A loss near 5 rounds to 1e-15, which the step of 1e-6 turns into 1e-9; the square of the step is far below.
        expect(Math.abs(want), "a slope that differences can resolve").to.be.above(1e-3);
        expectNear(slope, want, 1e-6, name);
      });
    }
  });
}
