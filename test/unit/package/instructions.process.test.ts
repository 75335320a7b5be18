import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { checkoutAddonPath } from "../../../lib/install/load.js";
import { codeOfElf } from "../../../scripts/package/elf-code.js";
import { addonInstructions, instructionSetsOf } from "../../../scripts/package/instructions.js";
import { run } from "../../../lib/install/process.js";

describe("instruction sets", () => {
  let directory: string;
  before(function () {
    if (process.arch !== "x64") this.skip();
    directory = mkdtempSync(join(tmpdir(), "reviewkd-instructions-"));
  });
  after(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  /** The sets of machine code, preceded by bytes that are not code. */
  async function setsOf(...code: number[]): Promise<string[]> {
    const path = join(directory, "code");
    writeFileSync(path, Buffer.from([0xff, 0xff, 0xff, ...code]));
    return instructionSetsOf(path, [{ offset: 3, size: code.length }]);
  }

  it("are empty if every 64-bit processor has the instructions", async () => {
    // endbr64; push rbp; mov rbp, rsp; addps xmm0, xmm1; cvtsi2sd xmm0, rax; rep bsf eax, ecx; pause; ret
    expect(
      await setsOf(0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x0f, 0x58, 0xc1, 0xf2, 0x48, 0x0f, 0x2a, 0xc0, 0xf3,
        0x0f, 0xbc, 0xc1, 0xf3, 0x90, 0xc3),
    ).to.deep.equal([]);
  });

  it("are those that a processor must report", async () => {
    expect(await setsOf(0x66, 0x0f, 0x38, 0x17, 0xc1)).to.deep.equal(["sse4_1"]); // ptest xmm0, xmm1
    expect(await setsOf(0xc5, 0xf4, 0x58, 0xc2)).to.deep.equal(["avx"]); // vaddps ymm0, ymm1, ymm2
    expect(await setsOf(0xc4, 0xe2, 0x75, 0xb8, 0xc2)).to.deep.equal(["fma"]); // vfmadd231ps ymm0, ymm1, ymm2
    expect(await setsOf(0x62, 0xf2, 0x76, 0x48, 0x52, 0xc2)).to.deep.equal(["avx512_bf16", "avx512f"]); // vdpbf16ps zmm0, zmm1, zmm2
  });

  it("are read to the end of code that is longer than a piece, across the boundary", async () => {
    const piece = 8 << 20;
    const path = join(directory, "long");
    // nop, and a ptest that starts two bytes before the second piece.
    const code = Buffer.alloc(piece + 100, 0x90);
    Buffer.from([0x66, 0x0f, 0x38, 0x17, 0xc1]).copy(code, piece - 2);
    writeFileSync(path, code);
    expect(await instructionSetsOf(path, [{ offset: 0, size: code.length }])).to.deep.equal(["sse4_1"]);
  });

  describe("of an addon", () => {
    before(function () {
      if (process.platform !== "linux") this.skip();
    });

    it("are only those of its kernels", async () => {
      const { kernels, functions } = await addonInstructions(checkoutAddonPath());
      expect(functions).to.be.above(1000);
      expect(kernels["avx2"]).to.deep.equal(["avx", "avx2", "fma"]);
      expect(kernels["avx512"]).to.include.members(["avx512f", "avx512bw", "avx512vl", "avx512dq"]).and.not.include(
        "avx512_bf16",
      );
      expect(kernels["avx512_bfloat16"]).to.include("avx512_bf16");
      expect(await instructionSetsOf(checkoutAddonPath(), await codeOfElf(checkoutAddonPath()))).to.include.members([
        "avx2",
        "avx512_bf16",
      ]).and.not.include("sse4_1");
    });

    it("are refused with the function's name if it would run on every processor", async () => {
      const [source, library] = ["wide.cpp", "wide.so"].map((name) => join(directory, name)) as [string, string];
      writeFileSync(source, `
        typedef float Floats __attribute__((vector_size(32)));
        namespace reviewkd::ops::avx2 { void fine(Floats* x) { *x += *x; } }
        namespace reviewkd::ops { void unguarded(Floats* x) { *x += *x; } }
      `);
      const { status, output } = await run("c++", ["-shared", "-fPIC", "-O2", "-mavx2", source, "-o", library]);
      expect(status, output).to.equal(0);
      const error: unknown = await addonInstructions(library).then(() => undefined, (thrown: unknown) => thrown);
      expect(error).to.have.property("code", "INSTRUCTIONS_UNGUARDED");
      expect(error).to.have.property("message").that.includes("_ZN8reviewkd3ops9unguardedEPDv8_f (avx)").and.not
        .includes("4fine");
    });
  });
});
