import { expect } from "chai";
import { choiceNotices, type NoticePlan } from "../../../lib/fit/notices.js";
import { trainingLength } from "../../../lib/fit/training-length.js";
import { createDistiller, createModel, listPresets, type MethodInput } from "../../../lib/index.js";
import { TrainingOptions, type TrainingOptionsInput } from "../../../lib/config/schemas/training.js";

interface Given {
  readonly training?: TrainingOptionsInput;
  readonly model?: { readonly name: string; readonly numClasses: number; parameterCount(): number };
  readonly distiller?: unknown;
  readonly trainSamples?: number;
  readonly side?: number;
}

/** A plan for CIFAR-100 unless something else is given. */
function planOf(
  { training = {}, model = { name: "resnet20", numClasses: 100, parameterCount: () => 1 }, distiller,
    trainSamples = 50_000, side = 32 }: Given,
): NoticePlan {
  const parsed = TrainingOptions.parse(training);
  return { training: parsed, length: trainingLength(parsed, trainSamples), model, distiller,
    data: { numClasses: 100, train: { size: trainSamples, imageShape: [3, side, side] } } } as unknown as NoticePlan;
}

function messages(given: Given): string[] {
  return choiceNotices(planOf(given)).map(({ message }) => message);
}

describe("the notices of a training", () => {
  it("are none for the settings of any preset", () => {
    for (const { name, student = "resnet20", training, dataset, method } of listPresets()) {
      const side = dataset === "cifar100" ? 32 : 224;
      const network = side > 32 && student === "resnet20" ? "resnet18" : student;
      const model = { name: network, numClasses: 100, parameterCount: () => 1 };
      const distiller = { teacher: { ...model, parameterCount: () => 2 }, student: model, method };
      const samples = dataset === "cifar100" ? 50_000 : 118_000;
      expect(messages({ training, model, distiller, side, trainSamples: samples }), name).to.deep.equal([]);
    }
  });

  it("say that no milestone is reached", () => {
    expect(messages({ training: { epochs: 60 } })).to.deep.equal([
      "milestones 150, 180 and 210 are not reached in 60 epochs, counted from 0: the learning rate never falls. Choose earlier ones, 58 at most (schedule.milestones, --milestones), or another schedule such as cosine (--schedule cosine).",
    ]);
  });

  it("say which milestones are not reached: a rate falls after an epoch", () => {
    const schedule = { kind: "multi-step" as const, milestones: [5, 8, 9] };
    expect(messages({ training: { epochs: 10, schedule } })).to.have.length(1);
    expect(messages({ training: { epochs: 10, schedule } })[0]).to.match(
      /^milestone 9 is not reached in 10 epochs, counted from 0: the learning rate falls only 2 times\. .* 8 at most \(/,
    );
    expect(messages({ training: { epochs: 11, schedule } })).to.deep.equal([]);
  });

  it("say which milestone would be the last one with an effect, if there is one", () => {
    const of = (epochs: number, milestone: number): string[] =>
      messages({ training: { epochs, schedule: { kind: "multi-step", milestones: [milestone] } } });
    expect(of(2, 1)).to.deep.equal([
      "milestone 1 is not reached in 2 epochs, counted from 0: the learning rate never falls. Choose earlier ones, 0 at most (schedule.milestones, --milestones), or another schedule such as cosine (--schedule cosine).",
    ]);
    expect(of(2, 0)).to.deep.equal([]);
    expect(of(1, 0)).to.deep.equal([
      "milestone 0 is not reached in 1 epoch, counted from 0: the learning rate never falls. Train longer, or choose another schedule such as cosine (--schedule cosine).",
    ]);
  });

  it("say that the rate grows at milestones, or stays the same", () => {
    const of = (factor: number, milestone = 5): string[] =>
      messages({ training: { epochs: 10, schedule: { kind: "multi-step", milestones: [milestone], factor } } });
    expect(of(10)).to.deep.equal([
      "the learning rate grows by a factor of 10 at each milestone. Pass a factor below 1 (schedule.factor, --lr-factor).",
    ]);
    expect(of(1)[0]).to.match(/^the learning rate stays the same at each milestone\./);
    expect(of(0.99)).to.deep.equal([]);
    expect(of(10, 20)[0]).to.match(/^milestone 20 is not reached/);
  });

  it("say which milestones in steps are not reached, and keep silent about the default's epochs then", () => {
    const steps = (milestoneSteps: number[]): string[] =>
      messages({ training: { epochs: null, maxSteps: 1000, schedule: { kind: "multi-step", milestoneSteps } } });
    expect(steps([500, 999])).to.deep.equal([]);
    expect(steps([5000])[0]).to.match(
      /^milestone step 5000 is not reached in 1000 steps, counted from 0: the learning rate never falls\. .* 999 at most \(/,
    );
    const [message] = messages({
      training: { epochs: null, maxSteps: 1000,
        schedule: { kind: "multi-step", milestones: [], milestoneSteps: [500, 1000] } },
    });
    expect(message).to.match(
      /^milestone step 1000 is not reached in 1000 steps, counted from 0: the learning rate falls only once\./,
    );
  });

  it("say that a warm-up is as long as the training", () => {
    expect(messages({ training: { epochs: 5, schedule: { kind: "cosine", warmupEpochs: 5 } } })[0]).to.match(
      /^the learning rate rises over 5 epochs, but the training has 5 epochs: it never reaches the full rate\./,
    );
    expect(messages({ training: { epochs: 1, schedule: { kind: "constant", warmupSteps: 400 } } })[0]).to.match(
      /^the learning rate rises over 400 steps, but the training has 391 steps:/,
    );
    expect(messages({ training: { epochs: 5, schedule: { kind: "cosine", warmupEpochs: 4.5 } } })).to.deep.equal([]);
  });

  it("say that distillation reaches a part of its weight, or nothing", async () => {
    using teacher = await createModel("resnet14", { numClasses: 100 });
    using student = await createModel("resnet8", { numClasses: 100 });
    const of = async (method: MethodInput, epochs: number): Promise<string[]> => {
      using distiller = await createDistiller({ teacher, student, method });
      return messages({ distiller, training: { epochs, schedule: { kind: "cosine" } } });
    };
    expect((await of({ kind: "review" }, 11))[0]).to.match(
      /^the weight of review rises over 20 epochs, but the training has 11 epochs: it reaches 50 % of its weight of 1\./,
    );
    expect((await of({ kind: "review" }, 1))[0]).to.include("it has no effect in this training.");
    expect((await of({ kind: "kd", weight: 0 }, 30))[0]).to.match(/^the method kd has weight 0: it has no effect\./);
    expect(await of({ kind: "review" }, 20)).to.deep.equal([]);
    expect(await of({ kind: "sum", of: [{ kind: "kd" }, { kind: "review", warmupEpochs: 0 }] }, 1)).to.deep.equal([]);
  });

  it("say that a rate is too high for ShuffleNet and MobileNet on small images", () => {
    const of = (name: string, learningRate: number, more: Given = {}): string[] =>
      messages({ model: { name, numClasses: 100, parameterCount: () => 1 }, ...more,
        training: { ...more.training, schedule: { kind: "cosine" }, optimizer: { kind: "sgd", learningRate } } });
    for (const name of ["shufflenetv1", "shufflenetv2", "mobilenetv2-half"]) {
      expect(of(name, 0.1)[0]).to.match(/^a learning rate of 0\.1 is above the paper's .* --learning-rate 0\.02\)\.$/);
      expect(of(name, 0.02)).to.deep.equal([]);
    }
    expect(of("shufflenetv1", 0.04, { training: { batchSize: 256 } })).to.deep.equal([]);
    expect(of("resnet20", 0.1)).to.deep.equal([]);
    expect(of("mobilenetv1", 0.1, { side: 224 })).to.deep.equal([]);
  });

  it("say that a rate is far above all published ones, which grow with the batch", () => {
    const of = (learningRate: number, batchSize: number, name = "resnet20"): string[] =>
      messages({ model: { name, numClasses: 100, parameterCount: () => 1 },
        training: { batchSize, schedule: { kind: "cosine" }, optimizer: { kind: "sgd", learningRate } } });
    for (const name of ["resnet20", "shufflenetv1"]) {
      const found = of(10, 128, name);
      expect(found).to.have.length(1);
      expect(found[0]).to.match(/^a learning rate of 10 is far above those of published trainings with SGD/);
    }
    expect(of(1.01, 128)).to.have.length(1);
    for (const [rate, batch] of [[1, 128], [3.2, 8192], [32, 8192]] as const)
      expect(of(rate, batch), `${rate}`).to.deep.equal([]);
    expect(of(33, 8192)).to.have.length(1);
  });

  it("say that a weight decay is that of another optimizer", () => {
    const of = (weightDecay: number): string[] =>
      messages({ training: { schedule: { kind: "cosine" }, optimizer: { kind: "sgd", weightDecay } } });
    expect(of(0.05)[0]).to.match(/^a weight decay of 0\.05 is that of AdamW/);
    expect(of(5e-4)).to.deep.equal([]);
    expect(of(0)).to.deep.equal([]);
  });

  it("say that a batch is larger than the training set", () => {
    expect(messages({ trainSamples: 100, training: { schedule: { kind: "cosine" } } })).to.deep.equal([
      "batches of 128 are larger than the training set: each epoch is one step of 100 images. Pass a smaller one (batchSize, --batch-size).",
    ]);
    expect(messages({ trainSamples: 128, training: { schedule: { kind: "cosine" } } })).to.deep.equal([]);
  });

  it("say that a network was made for images of another size", () => {
    const of = (name: string, side: number): string[] =>
      messages({ model: { name, numClasses: 100, parameterCount: () => 1 }, side,
        training: { schedule: { kind: "cosine" }, optimizer: { kind: "sgd", learningRate: 0.02 } } });
    expect(of("resnet18", 32)[0]).to.match(
      /^resnet18 was made for images of 224×224 pixels, the data have 32×32: .* such as resnet18-cifar\.$/,
    );
    expect(of("mobilenetv2", 32)[0]).to.include("such as mobilenetv2-half.");
    expect(of("resnet20", 224)[0]).to.match(/^resnet20 was made for images of 32×32 .* takes 49 times as long\./);
    for (const [name, side] of [["resnet18", 224], ["resnet18", 96], ["resnet20", 32], ["resnet20", 64]] as const)
      expect(of(name, side), `${name} ${side}`).to.deep.equal([]);
  });

  it("say that a network has classes without images", () => {
    const model = { name: "resnet20", numClasses: 1000, parameterCount: () => 1 };
    expect(messages({ model })[0]).to.equal(
      "resnet20 has 1000 classes, the data have 100: the others are never right. Create it with numClasses: 100.",
    );
  });

  it("say that a student is much larger than its teacher", () => {
    const network = (name: string, parameters: number) => ({ name, numClasses: 100, parameterCount: () => parameters });
    const of = (teacher: number, student: number): string[] =>
      messages({ model: network("resnet56", student),
        distiller: { teacher: network("resnet20", teacher), student: network("resnet56", student),
          method: { kind: "kd", weight: 1, warmupEpochs: 0, warmupFrom: 0 } } });
    expect(of(100, 310)[0]).to.include("has 3.1 times the parameters of its teacher resnet20.");
    expect(of(100, 150)).to.deep.equal([]);
  });
});
