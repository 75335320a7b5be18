/** Numbers in [0, 1) that depend only on the seed (Park and Miller's generator). */
export function uniforms(seed: number, count: number): number[] {
  let state = (seed % 2147483646) + 1;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  });
}
