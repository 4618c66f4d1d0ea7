/** Names that people tell apart by looking at them. */

/**
 * What shows nothing and is no space: controls, format characters, what is not assigned, separators of lines, all that Unicode lets a program leave out
 * when it draws (fillers of Hangul, variation selectors among them), and the blank pattern of Braille.
 */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u

/** Whether every character shows, and no space stands at the ends. */
export function isVisibleText(text: string): boolean {
  return text === text.trim() && !unseen.test(text)
}

/** Whether it reads as a number, in whatever script. */
export function isDigits(text: string): boolean {
  return /^\p{Nd}+$/u.test(text)
}

/** One spelling of what looks the same: `é` may be one character or two. */
export function oneSpelling(text: string): string {
  return text.normalize('NFC')
}

/** Without what turns the direction of the text after it, so that it would be read as another. */
export function withoutTurns(text: string): string {
  return text.replaceAll(/\p{Bidi_Control}/gu, '')
}
