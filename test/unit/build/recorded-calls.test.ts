import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { between, isWork, readRecording, shortName, type RecordedCall } from "../../../scripts/cuda/recorded-calls.js";
import { isOrdered } from "../../cuda/recording.js";
import { useTemporaryDirectory } from "../lib/install/fake-libtorch.js";

const kernel = (name: string): RecordedCall => ({ call: "cudaLaunchKernel", thread: 1, kind: "kernel", name,
  stream: 1 });
const named = (name: string): string => shortName(kernel(name));

describe("recorded calls", () => {
  const directory = useTemporaryDirectory();

  it("are read line by line", () => {
    const path = join(directory(), "calls.jsonl");
    writeFileSync(path,
      '{"call":"cudaMalloc","thread":7,"kind":"memory","bytes":4}\n{"call":"mark","thread":7,"name":"end"}\n');
    expect(readRecording(path)).to.deep.equal([{ call: "cudaMalloc", thread: 7, kind: "memory", bytes: 4 }, {
      call: "mark",
      thread: 7,
      name: "end",
    }]);
  });

  it("are cut at marks, which have to be there in that order", () => {
    const mark = (name: string): RecordedCall => ({ call: "mark", thread: 1, name });
    const calls = [mark("begin"), kernel("k"), mark("end")];
    expect(between(calls, "begin", "end")).to.deep.equal([kernel("k")]);
    expect(() => between(calls, "end", "begin")).to.throw("expected the marks end and begin");
  });

  it("are work of the device where they succeeded and are kernels, copies or memsets", () => {
    expect(isWork(kernel("k"))).to.equal(true);
    expect(isWork({ ...kernel("k"), error: "cudaErrorUnknown" })).to.equal(false);
    expect(isWork({ call: "cudaGraphLaunch", thread: 1, kind: "graph", stream: 1 })).to.equal(false);
  });

  it("have short names: the package's kernels, and what libtorch's are made for", () => {
    expect(named("reviewkd::cuda::Normalize<reviewkd::cuda::Bfloat16>")).to.equal("reviewkd Normalize<Bfloat16>");
    expect(
      named(
        "void reviewkd::cuda::(anonymous namespace)::run_kernel<reviewkd::cuda::SgdSteps>(reviewkd::cuda::SgdSteps)",
      ),
    ).to.equal("reviewkd SgdSteps");
    expect(
      named(
        "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>, std::array<char*, 1ul>, false>(int, at::native::FillFunctor<float>, std::array<char*, 1ul>)",
      ),
    )
      .to.equal("at elementwise FillFunctor (float)");
    expect(
      named(
        "void at::native::vectorized_elementwise_kernel<2, at::native::AUnaryFunctor<double, double, double, at::native::binary_internal::MulFunctor<double> >, std::array<char*, 2ul>, false>(int)",
      ),
    )
      .to.equal("at elementwise MulFunctor (double)");
    expect(named("void at::native::(anonymous namespace)::softmax_warp_forward<float, float>(float*)")).to.equal(
      "at softmax_warp_forward",
    );
    expect(shortName({ ...kernel("DtoH pageable"), kind: "copy" })).to.equal("copy DtoH pageable");
  });
});

describe("isOrdered", () => {
  const work = (stream: number): RecordedCall => ({ ...kernel("k"), stream });
  const order = (call: string, stream: number, event: number): RecordedCall => ({ call, thread: 1, kind: "order",
    stream, event });

  it("holds on one stream, and between streams where one waits for an event of the other", () => {
    expect(isOrdered([work(1), work(1)], 0, 1)).to.equal(true);
    expect(isOrdered([work(1), work(2)], 0, 1)).to.equal(false);
    expect(isOrdered([work(1), order("cudaEventRecord", 1, 5), order("cudaStreamWaitEvent", 2, 5), work(2)], 0, 3)).to
      .equal(true);
  });

  it("does not hold where the event was recorded before, or on another stream since", () => {
    expect(isOrdered([order("cudaEventRecord", 1, 5), work(1), order("cudaStreamWaitEvent", 2, 5), work(2)], 1, 3)).to
      .equal(false);
    const again = [work(1), order("cudaEventRecord", 1, 5), order("cudaEventRecord", 3, 5),
      order("cudaStreamWaitEvent", 2, 5), work(2)];
    expect(isOrdered(again, 0, 4)).to.equal(false);
  });

  it("holds where the host waited for the stream in between", () => {
    expect(
      isOrdered([work(1), { call: "cudaStreamSynchronize", thread: 1, kind: "synchronize", stream: 1 }, work(2)], 0, 2),
    ).to.equal(true);
  });
});
