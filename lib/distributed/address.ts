import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { networkInterfaces, type NetworkInterfaceInfo } from "node:os";
import type { ProcessEnvironment } from "./environment.js";

const LOOPBACK = "127.0.0.1";

/** The address of this machine at which the other processes reach this one. */
export async function addressOf({ size, localSize, master }: ProcessEnvironment): Promise<string> {
  if (size === localSize) return LOOPBACK;
  return reachableAddress(await routeAddress(master), networkInterfaces());
}

/** The address from which the way leads to the master; the loopback if there is none, which joining will report. */
async function routeAddress({ host, port }: ProcessEnvironment["master"]): Promise<string> {
  const { address, family } = await lookup(host).catch(() => ({ address: LOOPBACK, family: 4 }));
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  try {
    // Sends nothing: the system chooses the route.
    socket.connect(port, address);
    await once(socket, "connect");
    return socket.address().address;
  } catch {
    return LOOPBACK;
  } finally {
    socket.close();
  }
}

/**
 * The address that others reach: on the machine of the master the route to its name may lead over the loopback, as the
 * files of Debian and Ubuntu name a machine itself 127.0.1.1. Then the first address of a real interface, if any.
 */
export function reachableAddress(address: string,
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>): string {
  if (!isLoopback(address)) return address;
  const addresses = Object.values(interfaces).flatMap((list) => list ?? []);
  const external = addresses.filter((one) => !one.internal && !one.address.toLowerCase().startsWith("fe80:"));
  const family = address.includes(":") ? "IPv6" : "IPv4";
  return (external.find((one) => one.family === family) ?? external[0])?.address ?? address;
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address.startsWith("::ffff:127.") || address === "::1";
}
