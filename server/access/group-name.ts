/** Names of groups are for people: 1 to 255 visible characters, without space at the ends. */
export function isGroupName(name: string): boolean {
  return name.length >= 1 && name.length <= 255 && name === name.trim() && !/\p{C}/u.test(name)
}
