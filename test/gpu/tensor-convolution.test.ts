// The tensor cores' 3 × 3 convolution, compared with PyTorch's in double: on a GPU, or with warps emulated by the host
// emulation (device-kernels.long.test.ts).
import { expect } from "chai";
import { Tensor } from "../../lib/index.js";
import { TEST_DEVICE } from "../support/device.js";
import { expectAllNear, rmsOf, valuesOf } from "../support/numeric.js";
import { testingAddon, type TensorConvolutionInputs } from "../support/testing-addon.js";
import { uniforms } from "../support/uniforms.js";

const HAS_KERNELS = TEST_DEVICE !== "cpu" || process.env["REVIEWKD_CUDA_PLUGIN"] !== undefined;
const CHANNELS = [16, 32, 64] as const;

interface Case {
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: readonly [number, number];
  readonly stride?: number;
  /** The convolution's input is relu(scale · x + shift). */
  readonly normalized?: boolean;
  readonly moments?: boolean;
  /** All values are multiples of `step`; with 0 they use all digits of bfloat16. */
  readonly step?: number;
}

interface Outcome {
  readonly output: number[];
  readonly moments: number[] | undefined;
}

/** Values between -range and range. */
function tensorOf(seed: number, shape: readonly number[], range: number, step = 0): Tensor {
  const values = uniforms(seed, shape.reduce((product, length) => product * length, 1)).map((value) =>
    range * (2 * value - 1)
  );
  return Tensor.from(
    Float32Array.from(values, (value) => (step === 0 ? toBfloat16(value) : Math.round(value / step) * step)),
    [...shape],
  );
}

/** Rounds to nearest, ties to even. */
function toBfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] = ((bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(bits.buffer)[0]!;
}

/**
 * Sums of products are exact in float: x has steps of 2⁻⁵, scale of 2⁻², weights of 2⁻³, and the sums stay below 2¹³.
 */
function inputsOf(
  { images, height, width, channels: [from, to], normalized = false, moments = false, step }: Case,
): Record<string, Tensor> {
  const exact = step !== 0;
  return {
    x: tensorOf(1, [images, from, height, width], 2, exact ? 2 ** -5 : 0),
    weight: tensorOf(2, [to, from, 3, 3], 1, exact ? 2 ** -3 : 0),
    ...(normalized ? { scale: tensorOf(3, [from], 2, 2 ** -2), shift: tensorOf(4, [from], 1, 2 ** -3) } : {}),
    ...(moments ? { origin: tensorOf(5, [to], 4, 2 ** -2) } : {}),
  };
}

async function run(task: Case, { fused }: { readonly fused: boolean }): Promise<Outcome | undefined> {
  const inputs = Object.fromEntries(Object.entries(inputsOf(task)).map(([name, { native }]) => [name, native]));
  const result = await testingAddon().tensorConvolution(
    inputs as unknown as TensorConvolutionInputs,
    { stride: task.stride ?? 1, fused, device: fused ? TEST_DEVICE : "cpu" },
  );
  return result &&
    { output: valuesOf(Tensor.wrap(result.output)), moments: result.moments && valuesOf(Tensor.wrap(result.moments)) };
}

/** [2, O]: Σ (output − origin) and Σ (output − origin)² of a rounded output. */
function momentsOf({ output }: Outcome, task: Case): number[] {
  const channels = task.channels[1];
  const origin = valuesOf(inputsOf(task)["origin"]!);
  const pixels = output.length / channels / task.images;
  const moments = new Array<number>(2 * channels).fill(0);
  output.forEach((value, i) => {
    const channel = Math.floor(i / pixels) % channels;
    moments[channel]! += value - origin[channel]!;
    moments[channels + channel]! += (value - origin[channel]!) ** 2;
  });
  return moments;
}

async function expectExact(task: Case): Promise<void> {
  const [got, want] = [(await run(task, { fused: true }))!, (await run(task, { fused: false }))!];
  // All sums are exact until the output is rounded once: the bits are the same.
  expect(got.output).to.deep.equal(want.output.map(toBfloat16));
  if (task.moments !== true) return;
  // Float sums of a tile's pixels, at most 256; of differences, relative to their size.
  expectAllNear(got.moments!, momentsOf(got, task), 2e-6, "moments");
  expectAllNear(want.moments!, momentsOf(got, task), 1e-12, "moments of the reference");
}

const SIZES: Record<string, Omit<Case, "channels">> = {
  "a single pixel": { images: 1, height: 1, width: 1 },
  "fewer pixels than a tile has": { images: 3, height: 2, width: 3 },
  "whole tiles, several down and across": { images: 1, height: 16, width: 64 },
  "tiles that are cut off": { images: 2, height: 9, width: 35 },
  "a high, narrow map": { images: 2, height: 21, width: 1 },
};

describe("the tensor cores' convolution", function () {
  this.timeout(120_000);

  before(async function () {
    const unsupported = !HAS_KERNELS ||
      (await run({ images: 1, height: 1, width: 1, channels: [16, 16] }, { fused: true })) === undefined;
    if (unsupported) this.skip(); // No plugin, or a device before Ampere.
  });

  for (const stride of [1, 2]) {
    for (const from of CHANNELS) {
      for (const to of CHANNELS) {
        it(`gives the bits of double, rounded once: ${from} to ${to} channels with a stride of ${stride}`, async () => {
          await expectExact({ images: 3, height: 11, width: 19, channels: [from, to], stride, normalized: true,
            moments: true });
        });
      }
    }
    for (const [name, size] of Object.entries(SIZES)) {
      for (const channels of [[16, 16], [32, 32], [64, 64]] as const) {
        it(`gives the bits of double, rounded once: ${name}, ${channels[0]} channels with a stride of ${stride}`, async () => {
          await expectExact({ ...size, channels, stride, normalized: true, moments: true });
        });
      }
    }
  }

  it("uses the input unchanged without a normalization, and sums up no moments unless requested", async () => {
    const plain: Case = { images: 2, height: 9, width: 10, channels: [32, 64] };
    await expectExact(plain);
    await expectExact({ ...plain, moments: true });
    await expectExact({ ...plain, normalized: true });
    expect((await run(plain, { fused: true }))!.moments).to.equal(undefined);
  });

  for (const [name, channels, side] of [["16", [16, 16], 32], ["32", [32, 32], 16], ["64", [64, 64], 8]] as const) {
    it(`is within rounding of double for values with all digits: ${name} channels of CIFAR's maps`, async () => {
      const task: Case = { images: 2, height: side, width: side, channels, step: 0, moments: true };
      const [got, want] = [(await run(task, { fused: true }))!, (await run(task, { fused: false }))!];
      // bfloat16 has 8 digits, so rounding to it is off by at most 2⁻⁸ of a value. Float sums of 576 products add
      // less than 2⁻¹⁵ of their size.
      const sums = 2 ** -15 * rmsOf(want.output);
      got.output.forEach((value, i) => {
        expect(Math.abs(value - want.output[i]!), `output[${i}]`).to.be.at.most(
          2 ** -8 * Math.abs(want.output[i]!) + sums,
        );
      });
      expectAllNear(got.moments!, momentsOf(got, task), 2e-6, "moments");
    });
  }

  it("gives the same bits each time", async () => {
    const task: Case = { images: 4, height: 16, width: 16, channels: [32, 32], step: 0, moments: true };
    expect(await run(task, { fused: true })).to.deep.equal(await run(task, { fused: true }));
  });

  it("reports other channels and strides as unsupported", async () => {
    expect(await run({ images: 1, height: 4, width: 4, channels: [24, 16] }, { fused: true })).to.equal(undefined);
    expect(await run({ images: 1, height: 4, width: 4, channels: [16, 128] }, { fused: true })).to.equal(undefined);
    expect(await run({ images: 1, height: 4, width: 4, channels: [16, 16], stride: 3 }, { fused: true })).to.equal(
      undefined,
    );
  });
});
