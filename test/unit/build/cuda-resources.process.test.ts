import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { kernelResources, resourceTable, spillSummary, spillWarnings } from "../../../scripts/cuda/resources.js";

const ANONYMOUS = "_ZN8reviewkd4cuda43_GLOBAL__N__f2d1e64a_10_kernels_cu_afb4b2ec";
const SGD = `${ANONYMOUS}10run_kernelINS0_8SgdStepsEEEvT_`;
const MOMENTS = `${ANONYMOUS}10run_kernelINS0_12BatchMomentsINS0_8Bfloat16EEEEEvT_`;
const CONVOLUTION = `${ANONYMOUS}9run_warpsINS0_17TensorConvolutionILi64ELi64ELi1EEELi89152EEEvT_`;
const OTHER = "_Z5otherPf";

/** The output of ptxas 13.0 for a kernel. */
function linesOf(symbol: string,
  { used, stack = 0, stores = 0, loads = 0 }: { used: string; stack?: number; stores?: number;
    loads?: number }): string {
  return `ptxas info    : Compiling entry function '${symbol}' for 'sm_90'
ptxas info    : Function properties for ${symbol}
    ${stack} bytes stack frame, ${stores} bytes spill stores, ${loads} bytes spill loads
ptxas info    : Used ${used}
ptxas info    : Compile time = 12.034 ms
`;
}

const LOG = `[1/1] Listing the registers and memory of the CUDA kernels for sm_90
ptxas info    : 0 bytes gmem
${linesOf(SGD, { used: "28 registers, used 0 barriers" })}${
  linesOf(MOMENTS, { used: "44 registers, used 1 barriers, 18432 bytes smem" })
}${
  linesOf(CONVOLUTION, { used: "80 registers, used 1 barriers, 8 bytes cumulative stack size", stack: 8, stores: 12,
    loads: 20 })
}`;

describe("kernelResources", () => {
  before(function () {
    if (spawnSync("c++filt", ["--version"]).error !== undefined) this.skip(); // Comes with GNU's linker.
  });

  it("reads registers, shared memory, stack and spills of each kernel, by its short name", async () => {
    expect(await kernelResources(LOG)).to.deep.equal([
      { name: "BatchMoments<Bfloat16>", registers: 44, sharedBytes: 18432, stackBytes: 0, spillBytes: 0 },
      { name: "SgdSteps", registers: 28, sharedBytes: 0, stackBytes: 0, spillBytes: 0 },
      // Shared memory that is reserved at the launch is a parameter of the name; ptxas does not list it.
      { name: "TensorConvolution<64, 64, 1>", registers: 80, sharedBytes: 89152, stackBytes: 8, spillBytes: 32 },
    ]);
  });

  it("keeps a name that none of our launches has", async () => {
    expect((await kernelResources(linesOf(OTHER, { used: "8 registers" })))[0]).to.include({ name: "other(float*)",
      registers: 8 });
  });

  it("rejects output that lists no kernel, or a kernel without its figures", async () => {
    for (const log of ["", "nvcc: nothing to do", `ptxas info    : Compiling entry function '${SGD}' for 'sm_90'\n`,
      LOG.replace(/Used 44 registers/, "Used registers")]) {
      const outcome = await kernelResources(log).then(() => undefined, (error: unknown) =>
        error as { code: string; message: string });
      expect(outcome, log).to.be.an("error");
      expect(outcome!.code).to.equal("RESOURCES_UNREADABLE");
      expect(outcome!.message).to.match(/^invalid output of ptxas -v: expected /);
    }
  });

  it("makes a table, a warning for each kernel that spills, and a total", async () => {
    const kernels = await kernelResources(LOG);
    expect(resourceTable(kernels)).to.equal(
      "| kernel | registers | shared memory | stack | spills |\n|---|--:|--:|--:|--:|\n"
        + "| `BatchMoments<Bfloat16>` | 44 | 18432 | 0 | 0 |\n| `SgdSteps` | 28 | 0 | 0 | 0 |\n| `TensorConvolution<64, 64, 1>` | 80 | 89152 | 8 | 32 |\n",
    );
    expect(spillWarnings(kernels)).to.deep.equal([
      "warning: TensorConvolution<64, 64, 1> spills 32 bytes of registers a thread",
    ]);
    expect(spillSummary(kernels)).to.equal("32 bytes of spills a thread in 1 of 3 kernels");
    expect(spillSummary(kernels.slice(0, 2))).to.equal("0 bytes of spills a thread in 0 of 2 kernels");
  });
});
