// The pixels of a decoded picture, in strips, so that the memory for them does not grow with the picture.
import { PageError } from "./downloads.js";
import type { Strip } from "./resize.js";

const ROWS_OF_A_STRIP = 256;

const gl = new OffscreenCanvas(1, 1).getContext("webgl2");

/**
 * By WebGL, since a 2D canvas makes transparent pixels black: networks see the colors that files store for them. The
 * canvas has to do without WebGL, and for pictures that are too large for it; those of cameras are not transparent.
 */
export async function* stripsOf(picture: ImageBitmap): AsyncGenerator<Strip> {
  const { width, height } = picture;
  const fits = gl !== null && !gl.isContextLost() &&
    Math.max(width, height) <= (gl.getParameter(gl.MAX_TEXTURE_SIZE) as number);
  const reader = fits ? textureReader(gl, picture) : canvasReader(picture);
  try {
    for (let top = 0; top < height; top += ROWS_OF_A_STRIP) {
      const rows = Math.min(ROWS_OF_A_STRIP, height - top);
      yield { top, rows, rgba: reader.read(top, rows) };
      // Lets the page respond in between.
      await new Promise((resolve) => setTimeout(resolve));
    }
  } finally {
    reader.close();
  }
}

interface Reader {
  read(top: number, rows: number): Strip["rgba"];
  close(): void;
}

function textureReader(gl: WebGL2RenderingContext, picture: ImageBitmap): Reader {
  const [texture, target] = [gl.createTexture(), gl.createFramebuffer()];
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
  return {
    read(top, rows) {
      const rgba = new Uint8Array(picture.width * rows * 4);
      gl.bindFramebuffer(gl.FRAMEBUFFER, target);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
      gl.readPixels(0, top, picture.width, rows, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
      return rgba;
    },
    close() {
      gl.deleteFramebuffer(target);
      gl.deleteTexture(texture);
    },
  };
}

function canvasReader(picture: ImageBitmap): Reader {
  const context = new OffscreenCanvas(picture.width, ROWS_OF_A_STRIP).getContext("2d", { willReadFrequently: true });
  if (context === null) throw new PageError("This browser has no canvas to read the picture's pixels with.");
  return {
    read(top, rows) {
      // Not a bitmap of these rows: Chromium cuts the wrong ones out of a picture that it has turned upright.
      context.globalCompositeOperation = "copy";
      context.drawImage(picture, 0, -top);
      return context.getImageData(0, 0, picture.width, rows).data;
    },
    close: () => undefined,
  };
}
