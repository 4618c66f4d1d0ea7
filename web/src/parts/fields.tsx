/** Fields that several forms have. */
import { PasswordInput, Select, type PasswordInputProps, type SelectProps } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { ownTimeZone } from '../app/time-zone.ts'
import { lifetimes, type Lifetime } from './lifetimes.ts'

interface OneOfProps<Value extends string> extends Omit<SelectProps, 'value' | 'onChange' | 'data' | 'name'> {
  readonly values: readonly Value[]
  readonly say: (value: Value) => string
  readonly value: Value
  readonly onChange: (value: Value) => void
}

/** One of a few; there is always one. */
export function OneOf<Value extends string>({ values, say, onChange, ...rest }: OneOfProps<Value>) {
  return (
    <Select
      {...rest}
      allowDeselect={false}
      data={values.map((value) => ({ value, label: say(value) }))}
      onChange={(value) => value !== null && onChange(value as Value)}
    />
  )
}

/** For how long a secret is good. */
export function LifetimeField({ value, onChange }: { readonly value: Lifetime; readonly onChange: (value: Lifetime) => void }) {
  const { t } = useTranslation()
  return <OneOf label={t('lifetime.label')} values={lifetimes} say={(each) => t(`lifetime.${each}`)} value={value} onChange={onChange} />
}

/** A password, whose eye has a name. */
export function PasswordField(props: PasswordInputProps) {
  const { t } = useTranslation()
  return (
    <PasswordInput
      withAsterisk={false}
      visibilityToggleButtonProps={{ 'aria-label': t('session.showPassword'), tabIndex: 0, 'aria-hidden': false }}
      {...props}
    />
  )
}

const zones = Intl.supportedValuesOf('timeZone')

interface ZoneProps extends Omit<SelectProps, 'value' | 'onChange' | 'data' | 'name'> {
  /** Empty: the browser's own, where `hasOwn`. */
  readonly value: string
  readonly hasOwn?: boolean
  readonly onChange: (zone: string) => void
}

/** A time zone by its name. */
export function ZoneField({ value, hasOwn = false, onChange, ...rest }: ZoneProps) {
  const { t } = useTranslation()
  // The server may know more names than this browser does, which for its part may leave out UTC.
  const known = [...new Set(['UTC', ...(value === '' ? [] : [value]), ...zones])]
  return (
    <Select
      label={t('account.timeZone')}
      searchable
      limit={80}
      allowDeselect={false}
      {...rest}
      data={[
        ...(hasOwn ? [{ value: '', label: t('account.ownZone', { zone: ownTimeZone() }) }] : []),
        ...known.map((zone) => ({ value: zone, label: zone.replaceAll('_', ' ') })),
      ]}
      value={value}
      onChange={(zone) => zone !== null && onChange(zone)}
    />
  )
}
