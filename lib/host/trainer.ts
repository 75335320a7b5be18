// The trainer's side of a host: does what its caller asks for, on the package's own API.
import { createDistiller } from "../api/distiller.js";
import { type Batch } from "../api/dataset.js";
import { loadDataset } from "../datasets/load-dataset.js";
import { isReviewKdError } from "../errors.js";
import { runExperiment } from "../runs/experiment.js";
import { explainPair, type ExplainPairOptions } from "../api/explain-pair.js";
import { fit } from "../runs/fit.js";
import { createModel, listModels, type EvaluateOptions, type Model } from "../api/model.js";
import type { BatchOptionsInput, DataSourceInput } from "../config/schemas/data.js";
import type { FitEvent } from "../config/schemas/events.js";
import type { MethodInput } from "../config/schemas/method.js";
import type { RunConfigInput } from "../config/schemas/run-config.js";
import type { FitResult } from "../config/schemas/run-record.js";
import type { StepOptionsInput } from "../config/schemas/training.js";
import { createSession, type SessionTarget, type TrainEpochOptions } from "../api/session.js";
import type { ExportOptionsInput, LoadOptionsInput, WeightsChoice } from "../config/schemas/weights.js";
import { systemInfo } from "../api/system.js";
import { Tensor } from "../api/tensor.js";
import { parse } from "../config/validation.js";
import { inspectWeights } from "../weights/weights.js";
import { exportStudent } from "../runs/export-student.js";
import { CALLS, packError, type CallName, type ModelFacts, type Progress, type ResponseOf, type ToCaller, type ToTrainer } from "./protocol.js";
import { Things } from "./things.js";

/** What a call is given beside its request. */
interface Circumstances {
  readonly id: number;
  readonly signal: AbortSignal;
  readonly onProgress: ((value: Progress) => void) | undefined;
}

type Requests = { [Name in CallName]: ReturnType<(typeof CALLS)[Name]["request"]["parse"]> };
type Answers = { readonly [Name in CallName]: (request: Requests[Name], circumstances: Circumstances) => Promise<unknown> | ResponseOf<Name> };

/** A running `fit` or `runExperiment`: it is stopped by its call's signal for as long as it runs. */
interface Training {
  readonly call: number;
  readonly events: AsyncGenerator<FitEvent, FitResult, void>;
  /** A `next` that was asked for and not yet answered. */
  busy: Promise<unknown>;
}

/** One caller's trainer. */
export class Trainer {
  readonly #things = new Things();
  readonly #aborts = new Map<number, AbortController>();
  readonly #trainings = new Map<number, Training>();

  constructor(private readonly post: (message: ToCaller, transfer: ArrayBuffer[]) => void) {}

  /** Does what a message says; what cannot be done is answered with an error. */
  async take(message: ToTrainer): Promise<void> {
    if (message.type === "abort") this.#aborts.get(message.id)?.abort();
    if (message.type === "release") this.#things.release(message.handle);
    if (message.type !== "call") return;
    const { id, name, request, reports } = message;
    const abort = new AbortController();
    this.#aborts.set(id, abort);
    const onProgress = reports ? (value: Progress): void => { this.post({ type: "progress", id, value }, []); } : undefined;
    try {
      const answer = this.#answers[name] as (request: unknown, circumstances: Circumstances) => unknown;
      const value = await answer(parse(CALLS[name].request, request, `a request for ${name}`), { id, signal: abort.signal, onProgress });
      this.#tellBrokenImages();
      this.post({ type: "result", id, value }, transferable(value));
    } catch (error) {
      this.#tellBrokenImages();
      this.post({ type: "error", id, error: packError(error) }, []);
    } finally {
      if (![...this.#trainings.values()].some((training) => training.call === id)) this.#aborts.delete(id);
    }
  }

  /** Stops all trainings, so that each saves where it stands, and waits for them. */
  async end(): Promise<void> {
    for (const abort of this.#aborts.values()) abort.abort();
    await Promise.all([...this.#trainings.keys()].map((handle) => this.#drain(handle)));
  }

  #tellBrokenImages(): void {
    for (const broken of this.#things.newBrokenImages()) this.post({ type: "broken-image", ...broken }, []);
  }

  async #drain(handle: number): Promise<void> {
    const training = this.#trainings.get(handle);
    if (training === undefined) return;
    await training.busy.catch(() => undefined);
    try {
      while ((await training.events.next()).done !== true);
    } catch (error) {
      if (!isReviewKdError(error) || error.code !== "ABORTED") console.error(error);
    }
    this.#trainings.delete(handle);
  }

  #begin(events: AsyncGenerator<FitEvent, FitResult, void>, call: number): number {
    const handle = this.#things.hold(events);
    this.#trainings.set(handle, { call, events, busy: Promise.resolve() });
    return handle;
  }

  #endTraining(handle: number): void {
    const training = this.#trainings.get(handle);
    if (training !== undefined) this.#aborts.delete(training.call);
    this.#trainings.delete(handle);
    this.#things.release(handle);
  }

  async #next(handle: number): Promise<ResponseOf<"fitNext">> {
    const training = this.#trainings.get(handle);
    // A generator that is done says so for ever.
    if (training === undefined) return { done: true, value: null };
    const next = training.events.next();
    training.busy = next;
    try {
      const { done, value } = await next;
      if (done === true) {
        this.#endTraining(handle);
        return { done: true, value };
      }
      return { done: false, value };
    } catch (error) {
      this.#endTraining(handle);
      throw error;
    }
  }

  async #return(handle: number): Promise<null> {
    const training = this.#trainings.get(handle);
    await (training?.events ?? this.#things.generator(handle)).return(undefined as never);
    if (training === undefined) this.#things.release(handle);
    else this.#endTraining(handle);
    return null;
  }

  #modelFacts(handle: number): ModelFacts {
    const model = this.#things.model(handle);
    return { handle, name: model.name, numClasses: model.numClasses, dtype: model.dtype, device: model.device, parameters: model.parameterCount() };
  }

  #target({ distiller, model }: { readonly distiller?: number | undefined; readonly model?: number | undefined }): SessionTarget {
    const target = {
      ...(distiller === undefined ? {} : { distiller: this.#things.distiller(distiller) }), ...(model === undefined ? {} : { model: this.#things.model(model) }),
    };
    // Both or none is refused where it is refused without a host.
    return target as SessionTarget;
  }

  // Options and names are checked where they are without a host: by the functions that they are given to.
  readonly #answers: Answers = {
    listModels: () => listModels(),
    systemInfo: () => systemInfo(),
    explainPair: ({ options }, { signal }) => explainPair({ ...(options as ExplainPairOptions), signal }),
    inspectWeights: ({ path, options }) => inspectWeights(path, options as WeightsChoice | undefined),
    exportStudent: ({ runDirectory, path, options }) => exportStudent(runDirectory, path, options as ExportOptionsInput | undefined),
    createTensor: ({ handle, values, shape, dtype }) => {
      try {
        this.#things.holdAs(handle, Tensor.from(values, shape, { dtype }));
      } catch (error) {
        if (!isReviewKdError(error)) throw error;
        this.#things.holdAs(handle, error);
      }
      return null;
    },
    createModel: async ({ name, options }) => {
      const model = await createModel(name as string, (options ?? {}));
      return this.#modelFacts(this.#things.hold(model, () => { model.dispose(); }));
    },
    createDistiller: async ({ teacher, student, method, seed }) => {
      const distiller = await createDistiller({
        teacher: this.#things.model(teacher), student: this.#things.model(student),
        ...(method === undefined ? {} : { method: method as MethodInput }), ...(seed === undefined ? {} : { seed: seed as number }),
      });
      const handle = this.#things.hold(distiller, () => { distiller.dispose(); });
      return { handle, matching: distiller.matching, method: distiller.method, trainingOnlyParameters: distiller.trainingOnlyParameterCount() };
    },
    createSession: async ({ distiller, model, options }) => {
      const session = await createSession({ ...this.#target({ distiller, model }), ...(options as StepOptionsInput) });
      return { handle: this.#things.hold(session, () => { session.dispose(); }), options: session.options, task: session.task, device: session.model.device };
    },
    loadDataset: async ({ source }) => {
      const data = await loadDataset(source as DataSourceInput);
      const facts = ({ size, imageShape }: typeof data.train) => ({ size, imageShape: [...imageShape] });
      const { kind, numClasses, classNames, normalization } = data;
      return {
        handle: this.#things.hold(data, () => { data.dispose(); }), kind, numClasses, classNames: [...classNames], normalization,
        train: facts(data.train), test: facts(data.test),
      };
    },
    fit: ({ distiller, model, data, options }, { id, signal }) =>
      this.#begin(fit({ ...(options as object), ...this.#target({ distiller, model }), data: this.#things.dataset(data), signal }), id),
    runExperiment: ({ config, options }, { id, signal }) => this.#begin(runExperiment(config as RunConfigInput, { ...(options as object), signal }), id),
    fitNext: ({ generator }) => this.#next(generator),
    batches: ({ split, options }) => this.#things.hold(this.#things.split(split).batches(options as BatchOptionsInput)),
    batchesNext: async ({ generator }) => {
      const { done, value } = await this.#things.generator<Batch, undefined>(generator).next();
      if (done !== true) return { images: this.#things.holdTensor(value.images), labels: this.#things.holdTensor(value.labels) };
      this.#things.release(generator);
      return null;
    },
    generatorReturn: ({ generator }) => this.#return(generator),
    toTypedArray: ({ tensor }) => this.#things.tensor(tensor).toTypedArray() as ResponseOf<"toTypedArray">,
    modelFacts: ({ model }) => this.#modelFacts(model),
    featureSpecs: ({ model, height, width }) => this.#things.model(model).featureSpecs(height as number, width as number),
    modelForward: async ({ model, images, options }) => {
      const { logits, features } = await this.#things.model(model).forward(this.#things.tensor(images), options as Parameters<Model["forward"]>[1]);
      return {
        logits: this.#things.holdTensor(logits),
        features: features.map(({ name, before, after }) => ({ name, before: this.#things.holdTensor(before), after: this.#things.holdTensor(after) })),
      };
    },
    modelSave: async ({ model, path, metadata }) => {
      await this.#things.model(model).save(path, metadata === undefined ? {} : { metadata });
      return null;
    },
    modelLoad: ({ model, path, options }) => this.#things.model(model).load(path, options as LoadOptionsInput),
    distillerForward: async ({ distiller, images, labels }) => {
      const output = await this.#things.distiller(distiller).forward(this.#things.tensor(images), labels === undefined ? {} : { labels: this.#things.tensor(labels) });
      return {
        ...output,
        studentLogits: this.#things.holdTensor(output.studentLogits),
        teacherLogits: this.#things.holdTensor(output.teacherLogits),
        reviewOutputs: output.reviewOutputs.map((tensor) => this.#things.holdTensor(tensor)),
        teacherFeatures: output.teacherFeatures.map((tensor) => this.#things.holdTensor(tensor)),
      };
    },
    stateDict: async ({ owner }) => this.#things.holdState(await this.#things.stateOwner(owner).stateDict()),
    loadStateDict: ({ owner, state, strict = true }) =>
      this.#things.stateOwner(owner).loadStateDict(Object.fromEntries(state.map(([name, handle]) => [name, this.#things.tensor(handle)])), { strict }),
    evaluate: ({ owner, split, options }, { signal, onProgress }) =>
      this.#things.evaluator(owner).evaluate(this.#things.split(split), { ...(options as EvaluateOptions), signal, onProgress }),
    step: ({ session, batches }) => this.#things.session(session).step(
      batches.map(({ images, labels }) => ({ images: this.#things.tensor(images), labels: this.#things.tensor(labels) }))),
    trainEpoch: ({ session, data, options }, { signal, onProgress }) =>
      this.#things.session(session).trainEpoch(this.#things.dataset(data), { ...(options as TrainEpochOptions), signal, onProgress }),
    gradients: async ({ session }) => this.#things.holdState(await this.#things.session(session).gradients()),
    position: ({ session }) => this.#things.session(session).position(),
    setEpoch: async ({ session, epoch }) => {
      await this.#things.session(session).setEpoch(epoch as number);
      return null;
    },
    setLearningRate: async ({ session, learningRate }) => {
      await this.#things.session(session).setLearningRate(learningRate as number);
      return null;
    },
    saveCheckpoint: async ({ session, path, metadata, keepAs }) => {
      await this.#things.session(session).saveCheckpoint(path, metadata, { keepAs });
      return null;
    },
    saveWithinEpoch: ({ session, path, metadata, keepAs }) => this.#things.session(session).saveWithinEpoch(path, metadata, { keepAs }),
    loadCheckpoint: ({ session, path, otherTeacher }) => this.#things.session(session).loadCheckpoint(path, { otherTeacher }),
  };
}

/** The one thing that is worth handing over instead of copying: the elements of a tensor. */
function transferable(value: unknown): ArrayBuffer[] {
  return ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? [value.buffer] : [];
}
