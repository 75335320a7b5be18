/** Red, green and blue from 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/**
 * Steps of a sequence that fills a square evenly, whatever its length: powers of the inverse of the plastic number.
 *
 * @see https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
 */
const STEPS = [0.7548776662466927, 0.5698402909980532] as const;

/** Bright enough for dark photos; the outlines of boxes show them on bright ones. */
const LIGHTNESS = { least: 0.66, most: 0.88 } as const;
const CHROMA = 0.19;
/** Of class 0; class 1, which is the person in COCO, becomes blue. */
const FIRST_HUE = 0.92;

/** The colour of a class: classes differ in hue and lightness, those with near labels most. */
export function classColor(label: number): Rgb {
  const hue = 2 * Math.PI * ((FIRST_HUE + label * STEPS[0]) % 1);
  const lightness = LIGHTNESS.least + (LIGHTNESS.most - LIGHTNESS.least) * ((label * STEPS[1]) % 1);
  return fromOklab(lightness, CHROMA * Math.cos(hue), CHROMA * Math.sin(hue));
}

/** Black or white, whichever is easier to read on a colour. */
export function textColor([red, green, blue]: Rgb): "#111" | "#fff" {
  const luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  // Equal contrast with black and white by WCAG: (L + 0.05)² = 1.05 · 0.05.
  return luminance > 0.179 ? "#111" : "#fff";
}

/** A colour between another one and white. */
export function tint([red, green, blue]: Rgb, white: number): Rgb {
  const mix = (byte: number): number => Math.round(byte + white * (255 - byte));
  return [mix(red), mix(green), mix(blue)];
}

export function cssColor(color: Rgb): string {
  return `rgb(${color.join(",")})`;
}

/** @see https://bottosson.github.io/posts/oklab/ */
function fromOklab(lightness: number, a: number, b: number): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toByte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** An sRGB byte of a linear intensity; out of gamut is clipped. */
function toByte(intensity: number): number {
  const clipped = Math.min(1, Math.max(0, intensity));
  return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
}

function linear(byte: number): number {
  const value = byte / 255;
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}
