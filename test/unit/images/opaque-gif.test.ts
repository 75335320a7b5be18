import { expect } from "chai";
import sharp from "sharp";
import { opaqueGif } from "../../../lib/images/opaque-gif.js";
import { picture } from "../../support/image-files.js";

describe("opaqueGif", () => {
  it("clears the mark of the transparent color alone, and in a copy", async () => {
    const gif = await sharp({
      create: { width: 4, height: 4, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0 } },
    })
      .gif().toBuffer();
    const before = Buffer.from(gif);
    const opaque = opaqueGif(gif);
    expect(gif.equals(before)).to.equal(true);
    const changed = [...opaque].flatMap((value, at) => (value === gif[at] ? [] : [[gif[at], value]]));
    expect(changed).to.have.length(1);
    expect(changed[0]?.map((value) => (value ?? 0) & 1)).to.deep.equal([1, 0]);
  });

  it("returns other files, opaque and damaged ones as they are", async () => {
    const png = await picture(3, 3).png().toBuffer();
    const gif = await picture(3, 3).gif().toBuffer();
    const endlessExtension = Buffer.from("474946383961010001000000002101ff", "hex");
    const files = [png, new Uint8Array(), endlessExtension,
      ...[3, 9, 13, 14, 20].map((length) => gif.subarray(0, length))];
    for (const file of files) expect(opaqueGif(file)).to.equal(file);
  });
});
