import { expect } from "chai";
import { diagnoseAbsence } from "../../../../lib/native/absence.js";
import { packageRoot } from "../../../../lib/native/layout.js";
import { machine, useInstalledPackage } from "./machines.js";

describe("diagnoseAbsence", () => {
  const main = useInstalledPackage();

  it("says of musl that there is no libtorch for it", () => {
    const { reason, fix } = diagnoseAbsence(main(), machine({ libc: { family: "musl", version: "1.2.5" } }));
    expect(reason).to.match(/C library is musl \(Alpine Linux/);
    expect(fix).to.include("node:22-bookworm-slim");
  });

  it("lists the platforms that there are packages for where there is none", () => {
    const { reason, fix } = diagnoseAbsence(main(), machine({ platform: "freebsd-x64", libc: null }));
    expect(reason).to.equal("there is none for freebsd-x64; there are packages for linux-x64, linux-arm64, darwin-arm64, win32-x64");
    expect(fix).to.include("REVIEWKD_LIBTORCH=DIRECTORY npm run build");
  });

  it("asks for a build in a checkout, whatever the machine", () => {
    expect(diagnoseAbsence(packageRoot(), machine({ libc: { family: "musl", version: null } })).fix).to.equal("npm run build");
  });
});
