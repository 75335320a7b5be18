import type { NetworkInterfaceInfo } from "node:os";
import { expect } from "chai";
import { addressOf, reachableAddress } from "../../../lib/distributed/address.js";
import type { ProcessEnvironment } from "../../../lib/distributed/environment.js";

const info = (address: string, internal = false): NetworkInterfaceInfo => {
  const common = { address, netmask: "", mac: "", internal, cidr: null };
  return address.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
};

const LOOPBACK = { lo: [info("127.0.0.1", true), info("::1", true)] };
const MACHINE = { ...LOOPBACK, eth0: [info("fe80::1"), info("10.0.0.7"), info("2001:db8::7")] };

const environment = (host: string, localSize: number): ProcessEnvironment => ({ launcher: "variables", rank: 0, size: 2,
  localRank: 0, localSize, master: { host, port: 29_500 }, storeIsHosted: false, prefix: "", restarts: 0 });

describe("the address of a process", () => {
  it("is the one that leads to the master", () => {
    expect(reachableAddress("192.0.2.5", MACHINE)).to.equal("192.0.2.5");
    expect(reachableAddress("2001:db8::5", MACHINE)).to.equal("2001:db8::5");
  });

  for (const loopback of ["127.0.0.1", "127.0.1.1"]) {
    it(`is one of an interface where the way leads over ${loopback}`, () => {
      expect(reachableAddress(loopback, MACHINE)).to.equal("10.0.0.7");
    });
  }

  it("has the family of the way, and is none of a link alone", () => {
    expect(reachableAddress("::1", MACHINE)).to.equal("2001:db8::7");
    expect(reachableAddress("::1", { ...LOOPBACK, eth0: [info("fe80::1"), info("10.0.0.7")] })).to.equal("10.0.0.7");
  });

  it("is the loopback without any other", () => {
    expect(reachableAddress("127.0.0.1", LOOPBACK)).to.equal("127.0.0.1");
    expect(reachableAddress("127.0.0.1", { ...LOOPBACK, eth0: [info("fe80::1")] })).to.equal("127.0.0.1");
  });

  it("is the loopback if all processes are on one machine, or the master has no address", async () => {
    expect(await addressOf(environment("192.0.2.1", 2))).to.equal("127.0.0.1");
  });

  for (const host of ["localhost", "127.0.0.1", "::1"]) {
    it(`is found for the master ${host}`, async () => {
      expect(await addressOf(environment(host, 1))).to.match(/^[0-9a-f.:]+$/);
    });
  }
});
