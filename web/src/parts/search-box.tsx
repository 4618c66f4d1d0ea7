import { TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { Search } from 'lucide-react'
import { useEffect, useState, type KeyboardEvent } from 'react'

interface SearchBoxProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  /** The one that `/` leads to. */
  readonly isFirst?: boolean
}

/** From the field down into the first row of the table. */
function intoTheTable(event: KeyboardEvent<HTMLInputElement>): void {
  if (event.key !== 'ArrowDown') return
  const first = document.querySelector<HTMLElement>('#content .table tbody .row :is(a, button)')
  if (first === null) return
  event.preventDefault()
  first.focus()
}

/** Narrows a list as one types. The URL is what counts; it follows a moment behind. */
export function SearchBox({ label, value, onChange, isFirst = true }: SearchBoxProps) {
  const [text, setText] = useState(value)
  const say = useDebouncedCallback(onChange, 200)
  useEffect(() => setText(value), [value])
  return (
    <TextInput
      type="search"
      aria-label={label}
      placeholder={label}
      leftSection={<Search size={15} aria-hidden />}
      {...(isFirst && { 'aria-keyshortcuts': '/' })}
      {...(isFirst &&
        text === '' && {
          rightSection: (
            <kbd aria-hidden className="below-middle">
              /
            </kbd>
          ),
        })}
      onKeyDown={intoTheTable}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value)
        say(event.currentTarget.value)
      }}
      style={{ flex: '1 1 200px', maxWidth: 340 }}
    />
  )
}
