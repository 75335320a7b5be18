/** The version of this code, which in a bundle has no package.json next to it. */
export const VERSION = "0.1.0";
