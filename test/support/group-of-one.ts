import { Session } from "../../lib/api/session.js";
import { StepOptions, type StepOptionsInput } from "../../lib/config/schemas/training.js";
import { joinProcessGroup, type Distiller, type Model } from "../../lib/index.js";
import { addon } from "../../lib/native.js";

type Target = { readonly distiller: Distiller } | { readonly model: Model };

/**
 * A session with a process group of one, whose gradients pass through the group's operations, on CUDA through NCCL:
 * createSession leaves such a group out.
 */
export async function sessionWithGroupOfOne(options: StepOptionsInput, target: Target): Promise<Session> {
  const parsed = StepOptions.parse(options);
  const distiller = "distiller" in target ? target.distiller : undefined;
  const model = "distiller" in target ? target.distiller.student : target.model;
  const group = await joinProcessGroup();
  const peers = { group: group.native, name: group.nextSession(), localRank: group.localRank };
  const native = await addon().createSession((distiller ?? model).native, parsed, peers);
  await native.share();
  return new Session(native, model, distiller, parsed, undefined);
}
