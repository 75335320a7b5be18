import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { cacheEntry, cacheRoot } from "../../../lib/install/cache.js";
import { cudaEntry } from "../../../lib/install/cache.js";
import { NEWEST_VERSION, OLDEST_VERSION } from "../../../lib/install/libtorch-directory.js";
import { defaultPins } from "../../../lib/install/pins.js";
import { ncclPinsOf, pinsOf, TORCH_VERSIONS, versionsCache } from "../../../scripts/check/libtorch-versions/pins.js";
import { DEFAULT_TORCH } from "../../../scripts/gpu/prebuilt.js";

const minor = (version: string): number => Number(version.split(".")[1]);
const wheelsOf = (version: string): Record<string, string> =>
  pinsOf(version, "--versions").platforms["linux-x64"]!.cuda!.wheels;

describe("the pinned libtorch versions", () => {
  it("include one of each supported minor version, the oldest first", () => {
    const supported = Array.from({ length: minor(NEWEST_VERSION) - minor(OLDEST_VERSION) + 1 },
      (_, index) => minor(OLDEST_VERSION) + index);
    expect(TORCH_VERSIONS.map(minor)).to.deep.equal(supported);
    expect(TORCH_VERSIONS).to.include.members([defaultPins.torch, DEFAULT_TORCH]);
  });

  it("consist of torch and the two CUDA libraries that its CPU half loads, each with a SHA-256", () => {
    for (const version of TORCH_VERSIONS) {
      const wheels = wheelsOf(version);
      expect(Object.keys(wheels).map((requirement) => requirement.split("==")[0]), version).to.deep.equal(["torch",
        "nvidia-cuda-runtime", "nvidia-cuda-cupti"]);
      expect(wheels, version).to.have.property(`torch==${version}`);
      for (const [requirement, hash] of Object.entries(wheels)) expect(hash, requirement).to.match(/^[0-9a-f]{64}$/);
    }
  });

  it("agree with the libtorch that the package fetches", () => {
    const { wheels } = defaultPins.platforms["linux-x64"]!;
    expect(wheelsOf(defaultPins.torch)).to.deep.equal(wheels);
  });

  it("agree with the versions that CMake accepts", () => {
    expect(readFileSync("cmake/FindLibTorch.cmake", "utf8")).to.include(
      `VERSION_LESS ${OLDEST_VERSION} OR LibTorch_VERSION VERSION_GREATER_EQUAL 2.${minor(NEWEST_VERSION) + 1}`,
    );
  });

  it("have the NCCL that the package fetches with its CUDA libtorch, by minor version", () => {
    const { wheels } = defaultPins.platforms["linux-x64"]!.cuda!;
    const { requirement, set } = ncclPinsOf(defaultPins.torch);
    expect(set.wheels).to.deep.equal({ [requirement]: wheels[requirement] });
    for (const version of TORCH_VERSIONS) {
      const pins = ncclPinsOf(version);
      expect(pins.requirement, version).to.match(/^nvidia-nccl-cu13==2\.\d+\.\d+$/);
      expect(ncclPinsOf(version.replace(/\d+$/, "99")), version).to.deep.equal(pins);
    }
    expect(() => ncclPinsOf("2.1.0")).to.throw("received libtorch 2.1.0").with.property("code", "USAGE");
  });

  it("are cached where the package does not search", () => {
    const env = { REVIEWKD_CACHE: "cache" };
    const cache = versionsCache(env);
    expect(cache).to.equal(join(cacheRoot(env), "libtorch-versions"));
    for (const searched of [cacheEntry(env, "2.11.0", "cu130", "linux-x64"), cudaEntry(env, "2.11.0", "cu130")])
      expect(searched.startsWith(cache)).to.equal(false);
  });

  it("reject a version without pins", () => {
    expect(() => pinsOf("2.10.0", "--torch")).to.throw("invalid --torch: expected 2.11.0, ").with.property("code",
      "USAGE");
  });
});
