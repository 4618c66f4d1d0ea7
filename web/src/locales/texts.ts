/** The same keys, any text: what a dictionary of another language must have, or it does not compile. */
export type Texts<Part> = { readonly [Key in keyof Part]: Part[Key] extends string ? string : Texts<Part[Key]> }
