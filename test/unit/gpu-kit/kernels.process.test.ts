import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { python } from "../../../lib/install/pip.js";
import { useTemporaryDirectory } from "../lib/install/fake-libtorch.js";

const DEVICE = join(import.meta.dirname, "../../../scripts/gpu/device");

// The real Python runs here; kernels.py requires only its standard library.
describe("kernels of a profile", () => {
  const directory = useTemporaryDirectory();

  function shortNames(names: string[]): string[] {
    const code =
      "import json, sys, kernels; print(json.dumps([kernels.short_name(name) for name in json.load(sys.stdin)]))";
    return JSON.parse(
      execFileSync(python, ["-B", "-c", code], { input: JSON.stringify(names), encoding: "utf8",
        env: { ...process.env, PYTHONPATH: DEVICE } }),
    ) as string[];
  }

  it("shortens this package's kernels to struct and type, others to name and functor", () => {
    expect(shortNames([
      "void reviewkd::cuda::<unnamed>::run_kernel<reviewkd::cuda::NormalizeForward<__nv_bfloat16>>(T1)",
      "void reviewkd::cuda::(anonymous namespace)::run_kernel<reviewkd::cuda::SgdSteps>(T1)",
      "void at::native::vectorized_elementwise_kernel<(int)4, at::native::CUDAFunctor_add<float>, std::array<char *, (unsigned long)3>>(int, T2, T3)",
      "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32(Params)",
    ])).to.deep.equal([
      "reviewkd NormalizeForward<__nv_bfloat16>",
      "reviewkd SgdSteps",
      "at::native::vectorized_elementwise_kernel [CUDAFunctor_add]",
      "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32",
    ]);
  });

  it("sums the kernels of the last complete step, in microseconds and megabytes", () => {
    const row = (name: string, us: number, bytes: number): string =>
      `"0","x","x","x","${name}","${us}","${bytes}","${bytes}","32","50"`;
    const sgd = "void run_kernel<SgdSteps>(T1)";
    const csv = [
      "==PROF== Connected",
      '"ID","a","b","c","Kernel Name","gpu__time_duration.sum","dram__bytes_read.sum","dram__bytes_write.sum","launch__registers_per_thread","sm__warps_active.avg.pct_of_peak_sustained_active"',
      '"","","","","","ns","byte","byte","register/thread","%"',
      row("first", 1000, 0),
      row(sgd, 1000, 0),
      row("conv", 3000, 2e6),
      row("conv", 5000, 2e6),
      row(sgd, 1000, 1e6),
      row(sgd, 1000, 1e6),
    ];
    writeFileSync(join(directory(), "ncu.csv"), csv.join("\n"));
    const output = execFileSync(python, ["-B", join(DEVICE, "kernels.py"), join(directory(), "ncu.csv"),
      join(directory(), "kernels.json")], { encoding: "utf8" });
    expect(output).to.contain("one step: 4 kernels, 10 us, 2 us of them in this package's; 12 MB of DRAM traffic");
    const { kernels } = JSON.parse(readFileSync(join(directory(), "kernels.json"), "utf8")) as {
      kernels: Record<string, object>;
    };
    expect(kernels["conv"]).to.deep.include({ count: 2, us: 8, dramMB: 8, registers: 32, warpsPercent: 50 });
  });
});
