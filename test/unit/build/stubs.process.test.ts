import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { writeStubs } from "../../../scripts/cuda/stubs.js";
import { useTemporaryDirectory } from "../lib/install/fake-libtorch.js";

describe("writeStubs", function () {
  this.timeout(60_000);
  const directory = useTemporaryDirectory();

  const compile = (...parameters: readonly string[]): void => {
    const { status, stderr } = spawnSync("c++", ["-shared", "-fPIC", ...parameters], { encoding: "utf8" });
    expect(status, stderr).to.equal(0);
  };

  before(function () {
    if (process.platform !== "linux") this.skip();
  });

  it("names the libraries that libtorch lacks, and defines what it asks of them", async () => {
    const [libraries, generated] = [join(directory(), "torch/lib"), join(directory(), "generated")];
    mkdirSync(libraries, { recursive: true });
    const source = join(directory(), "cuda.cpp");
    writeFileSync(source,
      'extern "C" int cublasSgemm_v2(void*); extern "C" int cudnnCreate(void**); extern "C" int cudaMalloc(void**); extern "C" int omp_get_num_threads();\n'
        + 'extern "C" int all() { return cublasSgemm_v2(nullptr) + cudnnCreate(nullptr) + cudaMalloc(nullptr) + omp_get_num_threads(); }\n');
    writeFileSync(join(directory(), "empty.cpp"), "");
    compile(join(directory(), "empty.cpp"), "-o", join(directory(), "libcublas.so.13"), "-Wl,-soname,libcublas.so.13");
    compile(source, "-o", join(libraries, "libtorch_cuda.so"), "-Wl,--no-as-needed",
      join(directory(), "libcublas.so.13"));

    await writeStubs(join(directory(), "torch"), generated);
    expect(readFileSync(join(generated, "sonames.txt"), "utf8")).to.equal("libcublas.so.13\nlibcuda.so.1\n");
    const text = readFileSync(join(generated, "generated.cpp"), "utf8");
    expect(text).to.include(
      'int cublasSgemm_v2(void* handle) { return reviewkd_recording_blas("cublasSgemm_v2", handle); }',
    );
    expect(text).to.include('int cudnnCreate() { return reviewkd_recording_unmodelled("cudnnCreate", 3000); }');
    expect(text).to.include('int cudaMalloc() { return reviewkd_recording_unmodelled("cudaMalloc", 801); }');
    expect(text).not.to.include("omp_get_num_threads");

    // Nothing is compiled again for a file that says the same.
    const path = join(generated, "generated.cpp");
    utimesSync(path, 1, 1);
    await writeStubs(join(directory(), "torch"), generated);
    expect(statSync(path).mtimeMs).to.equal(1000);
  });
});
