/**
 * Version of everything that `transition` computes. To be raised by whoever changes what it makes of the same inputs, to
 * the digit: what was recorded under another version is not compared, since it would differ rightly.
 */
export const RULES = 5;
