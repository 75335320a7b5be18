import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { copyLicenses, ownersOf } from "../../../scripts/package/licenses.js";

describe("licences", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "reviewkd-licences-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  const failure = (copying: Promise<unknown>): Promise<unknown> =>
    copying.then(() => undefined, (error: unknown) => error);

  /** A libtorch next to the .dist-info of wheels. */
  function libtorchWith(...notes: string[]): string {
    for (const note of notes) {
      const path = join(directory, note);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, note);
    }
    return join(directory, "torch");
  }

  it("are those of each library's owner, on every system", () => {
    const owners = (libraries: string[], arch: string): string[] => ownersOf(libraries, arch).owners;
    expect(owners(["libc10.so", "libtorch_cpu.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"], "x64"))
      .to.deep.equal(["gcc-runtime", "mkl", "nvidia-cuda-cupti", "nvidia-cuda-runtime", "torch"]);
    expect(owners(["c10.dll", "torch_cpu.dll", "uv.dll", "libiomp5md.dll", "VCRUNTIME140_THREADS.dll"], "x64")).to.deep
      .equal(["microsoft", "mkl", "torch"]);
    expect(owners(["libc10.dylib", "libomp.dylib", "libtorch_cpu.dylib"], "arm64")).to.deep.equal(["torch"]);
    // The libraries of PyPI's wheel for linux-arm64, and of PyTorch's build without CUDA.
    expect(
      owners(["libnvpl_blas_core.so.0", "libnvpl_lapack_lp64_gomp.so.0", "libarm_compute.so", "libarm_compute_graph.so",
        "libgomp.so.1"], "arm64"),
    )
      .to.deep.equal(["arm-compute-library", "gcc-runtime", "nvpl"]);
    expect(owners(["libopenblas-24fd393f.so.0", "libgfortran.so.5"], "arm64")).to.deep.equal(["gcc-runtime",
      "openblas"]);
  });

  it("are described once, for the package's README", () => {
    expect(ownersOf(["libc10.dylib", "libomp.dylib", "libtorch_cpu.dylib"], "arm64").words).to.deep.equal([
      "PyTorch and its components",
      "LLVM's OpenMP runtime",
    ]);
    expect(ownersOf(["libc10.so"], "x64").words.at(-1)).to.include("oneMKL");
  });

  it("exclude a library without a known owner", () => {
    expect(() => ownersOf(["libnew.so"], "arm64")).to.throw("unknown owner of libnew.so").with.property("code",
      "LICENSE_NOT_FOUND");
  });

  it("come from the wheels' .dist-info, and from this project if a wheel has none", async () => {
    const libtorch = libtorchWith("torch-2.14.1.dist-info/licenses/LICENSE",
      "nvidia_cuda_runtime-13.dist-info/LICENSE");
    await copyLicenses(libtorch, ["gcc-runtime", "microsoft", "nvidia-cuda-runtime", "torch"], join(directory, "out"));
    expect(readdirSync(join(directory, "out")).sort()).to.deep.equal(["gcc-runtime", "nvidia-cuda-runtime", "torch"]);
    expect(readFileSync(join(directory, "out/torch/LICENSE"), "utf8")).to.include("torch-2.14.1");
    expect(readdirSync(join(directory, "out/gcc-runtime"))).to.include("COPYING3");
  });

  it("are in this project for every owner whose wheel has none", async () => {
    const owners = ["arm-compute-library", "gcc-runtime", "mkl", "nvpl", "openblas"];
    await copyLicenses(libtorchWith("other/LICENSE"), owners, join(directory, "out"));
    for (const owner of owners) expect(readdirSync(join(directory, "out", owner)), owner).to.not.be.empty;
  });

  it("are reported by name if missing, with the place where they belong", async () => {
    const libtorch = libtorchWith("other/LICENSE");
    for (const [owner, remedy] of [["torch", "the libtorch of a wheel"], ["someone",
      "scripts/package/licenses/someone"]] as const) {
      const error = await failure(copyLicenses(libtorch, [owner], join(directory, "out")));
      expect(error).to.have.property("code", "LICENSE_NOT_FOUND");
      expect(error).to.have.property("message").that.includes(owner).and.includes(remedy);
    }
  });
});
