"""W2VBert_Adapter_MFA: w2v-BERT 2.0 as WeSpeaker trains it to tell speakers."""
