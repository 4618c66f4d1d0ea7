import { SegmentedControl } from '@mantine/core'

interface ChoiceProps<Value extends string> {
  readonly label: string
  /** The first is what holds unless another is said. */
  readonly values: readonly Value[]
  readonly value: string
  readonly say: (value: Value) => string
  /** Undefined: the first. */
  readonly onChange: (value: Value | undefined) => void
}

/** Narrows a list to one of a few kinds. On a narrow window the row scrolls by itself. */
export function Choice<Value extends string>({ label, values, value, say, onChange }: ChoiceProps<Value>) {
  return (
    <div style={{ overflowX: 'auto', maxWidth: '100%' }}>
      <SegmentedControl
        size="xs"
        aria-label={label}
        data={values.map((each) => ({ value: each, label: say(each) }))}
        value={value}
        onChange={(chosen) => onChange(chosen === values[0] ? undefined : (chosen as Value))}
      />
    </div>
  )
}
