// A network in the directory that `reviewkd export RUN DIRECTORY --to transformers.js` writes.
import { type Downloads, PageError } from "./downloads.js";
import { type Crop, pixelsOf } from "./picture.js";
import { type Device, loadRuntime } from "./runtime.js";

export interface Prediction {
  readonly className: string;
  /** From 0 to 1. */
  readonly probability: number;
}

export interface Classified {
  /** Most likely first. */
  readonly predictions: readonly Prediction[];
  /** The network's input, RGB bytes `[height, width, 3]`. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  /** Of decoding and resizing the picture, and of the network. */
  readonly preparationMs: number;
  readonly inferenceMs: number;
}

/** The entries of config.json and preprocessor_config.json that are used. */
interface NetworkConfig {
  readonly _name_or_path: string;
  readonly id2label: Readonly<Record<string, string>>;
  readonly "transformers.js_config": { readonly dtype: keyof typeof FILES };
}
interface ProcessorConfig {
  readonly size: { readonly shortest_edge: number };
  readonly crop_size: { readonly height: number; readonly width: number };
}

/** The network's file, by the precision of its weights. */
const FILES = { fp32: "model.onnx", fp16: "model_fp16.onnx", q8: "model_quantized.onnx" };

type Runtime = Awaited<ReturnType<typeof loadRuntime>>;
type Session = Awaited<ReturnType<Runtime["InferenceSession"]["create"]>>;

export class Classifier {
  #last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly ort: Runtime, private readonly session: Session, readonly name: string,
    readonly classNames: readonly string[], readonly crop: Crop) {}

  /** @throws PageError for a directory that has no network. */
  static async load(directory: string, device: Device, downloads: Downloads): Promise<Classifier> {
    const [network, processor] = await Promise.all([
      downloads.getJson(`${directory}/config.json`) as Promise<Partial<NetworkConfig>>,
      downloads.getJson(`${directory}/preprocessor_config.json`) as Promise<Partial<ProcessorConfig>>,
    ]).catch((error: unknown) => {
      throw new PageError(
        `There is no network in ${directory}/. Write one: npx reviewkd export RUN web/${directory} --to transformers.js`,
        { cause: error },
      );
    });
    const { id2label, _name_or_path: name = directory, "transformers.js_config": { dtype } = { dtype: "fp32" } } =
      network;
    const { size, crop_size: center } = processor;
    if (id2label === undefined || size?.shortest_edge === undefined || center === undefined)
      throw new PageError(`${directory} was not written by \`reviewkd export --to transformers.js\`.`);
    const [ort, model] = await Promise.all([loadRuntime(device, downloads),
      downloads.get(`${directory}/onnx/${FILES[dtype]}`)]);
    const session = await ort.InferenceSession.create(model, { executionProviders: [device] });
    const classNames = Object.keys(id2label).map((_, label) => id2label[label] ?? String(label));
    return new Classifier(ort, session, name, classNames, { ...center, resizeSize: size.shortest_edge });
  }

  /** One picture after the other: a session runs once at a time. */
  classify(file: Blob): Promise<Classified> {
    const classified = this.#last.then(() => this.#classify(file));
    this.#last = classified.catch(() => undefined);
    return classified;
  }

  async #classify(file: Blob): Promise<Classified> {
    const start = performance.now();
    const { height, width } = this.crop;
    const pixels = await pixelsOf(file, this.crop);
    const input = new this.ort.Tensor("float32", planesOf(pixels), [1, 3, height, width]);
    const prepared = performance.now();
    const { probabilities } = await this.session.run({ pixel_values: input });
    const values = Array.from(probabilities?.data ?? []);
    const predictions = values.map((probability, label) => ({ className: this.classNames[label] ?? "", probability }))
      .sort((one, other) => other.probability - one.probability);
    return { predictions, pixels, preparationMs: prepared - start, inferenceMs: performance.now() - prepared };
  }
}

/** Red, green and blue one after the other, from 0 to 1; the network itself normalizes. */
function planesOf(pixels: Uint8ClampedArray): Float32Array<ArrayBuffer> {
  const count = pixels.length / 3;
  return Float32Array.from(pixels, (_, index) => (pixels[(index % count) * 3 + Math.floor(index / count)] ?? 0) / 255);
}
