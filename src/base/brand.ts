declare const brand: unique symbol;

/** A `Value` that only the place which made it may call a `Name`: `Brand<string, 'NodeId'>`. Cast once, where it is made. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name };
