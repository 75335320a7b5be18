import { once } from "node:events";
import { createServer } from "node:net";
import { DERIVED_PORTS } from "./ports.js";
import { causedBy } from "../errors.js";

const ATTEMPTS = 100;

/**
 * A port of this machine that nothing listens on, drawn from those that the system does not hand out itself.
 *
 * @throws ReviewKdError `PORT_IN_USE`
 */
export async function freePort(): Promise<number> {
  let reason: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; ++attempt) {
    const port = DERIVED_PORTS.first + Math.floor(Math.random() * DERIVED_PORTS.count);
    const server = createServer();
    try {
      server.listen({ port, exclusive: true });
      await once(server, "listening");
      return port;
    } catch (error) {
      reason = error;
    } finally {
      server.close();
    }
  }
  throw causedBy("PORT_IN_USE", `no free port found in ${ATTEMPTS} attempts`, reason, "Pass one with --master.");
}
