/** What is wrong with what was typed, in the reader's language: nobody was asked. */
export class Said extends Error {
  override readonly name = 'Said'
}
