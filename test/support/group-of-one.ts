import { Session } from "../../lib/api/session.js";
import { StepOptions, type StepOptionsInput } from "../../lib/config/schemas/training.js";
import { joinProcessGroup, type Distiller } from "../../lib/index.js";
import { addon } from "../../lib/native.js";

/**
 * A session with a process group of one, whose gradients pass through the group's operations, on CUDA through NCCL:
 * createSession leaves such a group out.
 */
export async function sessionWithGroupOfOne(
  { distiller, ...options }: StepOptionsInput & { readonly distiller: Distiller },
): Promise<Session> {
  const parsed = StepOptions.parse(options);
  const group = await joinProcessGroup();
  const peers = { group: group.native, name: group.nextSession(), localRank: group.localRank };
  const native = await addon().createSession(distiller.native, parsed, peers);
  await native.share();
  return new Session(native, distiller.student, distiller, parsed, undefined);
}
