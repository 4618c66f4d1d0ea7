/** Where a browser goes after it signed in: a path of this very site, or nowhere. */

const pathMax = 2_048

/**
 * The path with its query; undefined for whatever a browser might take for another site (`//evil`, `/\evil`, `https:evil`), for control characters,
 * which browsers drop before they look, and for what is too long.
 */
export function parseReturnPath(text: string): string | undefined {
  if (text.length > pathMax || !/^\/(?![/\\])[\x21-\x5B\x5D-\x7E]*$/.test(text)) return undefined
  const url = new URL(text, 'https://here.invalid')
  return url.origin === 'https://here.invalid' && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : undefined
}
