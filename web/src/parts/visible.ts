/** Text that somebody put into an image, made harmless to the eye: nothing in it is invisible, and nothing turns the order of letters around. */

/** What steers a terminal, but for tabs and ends of lines; what changes the direction of writing; what has no width. */
// oxlint-disable-next-line no-control-regex -- these are what it is about
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Each of these as a sign of its own: `␛`, `‹202E›`. */
export function visible(text: string): string {
  return text.replaceAll(unseen, (letter) => {
    const code = letter.charCodeAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `‹${code.toString(16).toUpperCase().padStart(4, '0')}›`
  })
}

/** Of a name, in which tabs and ends of lines mislead too. */
export function visibleName(name: string): string {
  return visible(name).replaceAll('\t', '␉').replaceAll('\n', '␊')
}
